"""Check of the documentation what can be checked without quarto: nbdev's processing runs clean, cross-references lead somewhere,
figures are described, the sidebar follows the pages, every YAML file parses. usage: python .ci/docs.py"""
import io, math, os, re, sys, warnings
from contextlib import redirect_stdout
from pathlib import Path
import yaml
from fastcore.nbio import read_nb
from nbdev.config import get_config, nbpath2html
from nbdev.quarto import nbdev_sidebar
from nbdev.serve import FilterDefaults

root = Path(__file__).parent.parent
nbs, faults = root/'nbs', []
pages = sorted(nbs.glob('*.ipynb'), key=lambda o: (o.stem != 'index', o.name))
settings = dict(re.findall(r'^(\w+) = (.*)$', (root/'settings.ini').read_text(encoding='utf-8'), flags=re.M))
is_md = lambda c: c['cell_type'] == 'markdown'
text = lambda c: ''.join(c['source'] or '')

def slug(heading):
    "Pandoc's identifier of a heading"
    heading = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading)
    return re.sub(r'^[^a-z]+', '', re.sub(r'\s+', '-', re.sub(r'[^\w\s.-]', '', heading.lower()).strip()))

def headings(page): return {slug(h) for c in read_nb(nbs/page).cells if is_md(c) for h in re.findall(r'^#+ (.+)$', text(c), flags=re.M)}

def process(path):
    "The page as quarto gets it; what nbdev warns of or fails at is a fault"
    nb = read_nb(path)
    with warnings.catch_warnings(record=True) as said, redirect_stdout(io.StringIO()):
        warnings.simplefilter('always')
        try: FilterDefaults()(nb)
        except Exception as e: faults.append(f'{path.name}: nbdev cannot process it: {str(e)[:300]}')
    faults.extend(f'{path.name}: nbdev warns: {str(o.message)[:300]}' for o in said if 'nbdev' in o.filename or 'fastcore' in o.filename)
    return nb

def check_links(path, nb):
    own = {nbpath2html(o).name: o.name for o in pages}
    for target in re.findall(r'\]\(([^)\s]+)\)', '\n'.join(text(c) for c in nb.cells if is_md(c))):
        file, _, at = target.removeprefix(get_config().doc_url).partition('#')
        if file.startswith(('http:', 'https:', 'mailto:')) or file == 'demo/': continue      # dcgan_export makes the demo in the docs workflow
        name = own.get(file.removesuffix('.md'), file) or path.name
        if not (nbs/name).exists(): faults.append(f'{path.name} links to {target}, which is not there')
        elif at and file.endswith('.ipynb') and at not in headings(name): faults.append(f'{path.name} links to {target}: {name} has no such heading')

def check_figures(path, cells):
    "An image in the text has alt text; each figure that a cell draws has a description of its own, six cells away at most"
    told = [i for i, c in enumerate(cells) if is_md(c) for _ in re.findall(r'\*Figure', text(c))]
    for i, c in enumerate(cells):
        if is_md(c) and re.search(r'!\[\s*\]\(|<img(?![^>]*alt=)', text(c)): faults.append(f'{path.name}: an image without alt text: {text(c)[:80]}')
        if is_md(c) or re.search(r'^#\|\s*(hide|fig-alt)', text(c), flags=re.M): continue
        if not any(k.startswith('image/') for o in c['outputs'] for k in o.get('data', {})): continue
        near = min(told, key=lambda j: abs(j - i), default=math.inf)
        if abs(near - i) > 6: faults.append(f'{path.name}: a figure nobody describes: {text(c)[:80]!r}')
        else: told.remove(near)

def check_sidebar():
    with redirect_stdout(io.StringIO()) as out: nbdev_sidebar.__wrapped__(printit=True, force=True, file_re=r'\.ipynb$')
    if yaml.safe_load(out.getvalue())['website']['sidebar']['contents'] != [o.name for o in pages]: faults.append('the sidebar is not in page order')

def check_files():
    for o in root.rglob('*'):
        if o.suffix in ('.yml', '.yaml', '.cff') and not {'_proc', '_docs', '.git'} & set(o.parts): yaml.safe_load(o.read_text(encoding='utf-8'))
    card = yaml.safe_load((nbs/'_quarto.yml').read_text(encoding='utf-8'))['website']['image']
    if not (nbs/card).exists(): faults.append(f'the social card {card} is not there')
    floors = dict(re.findall(r'^ +([\w-]+)>=([\d.]+)$', (root/'settings.ini').read_text(encoding='utf-8').split('dev_requirements')[0], flags=re.M))
    oldest = dict(re.findall(r'^([\w-]+)==([\d.]+)$', (root/'.ci/oldest.txt').read_text(encoding='utf-8'), flags=re.M))
    faults.extend(f'.ci/oldest.txt does not test {k}>={v}' for k, v in floors.items() if not f'{oldest.get(k)}.'.startswith(f'{v}.'))
    if f"## {settings['version']}" not in (root/'CHANGELOG.md').read_text(encoding='utf-8'): faults.append('CHANGELOG.md does not name this version')

if __name__ == '__main__':
    os.chdir(root)
    os.environ['IN_TEST'] = '1'
    for path in pages:
        check_figures(path, read_nb(path).cells)
        check_links(path, process(path))
    check_sidebar()
    check_files()
    print('\n'.join(faults) or f'{len(pages)} pages are ready for the documentation')
    sys.exit(bool(faults))
