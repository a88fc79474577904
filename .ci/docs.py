"""Build the documentation: nbdev processes the notebooks, Sphinx and MyST-NB make the pages, nothing is run again. A broken link fails the build.
usage: python .ci/docs.py [FOLDER]      FOLDER is _docs if not given"""
import ast, json, os, re, runpy, shutil, sys, tempfile, time, warnings
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from fastcore.basics import AttrDict
from fastcore.nbio import mk_cell, read_nb, write_nb
from nbdev.config import get_config, nbpath2html
from nbdev.serve import FilterDefaults
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sphinx.application import Sphinx

root, faults = Path(__file__).resolve().parent.parent, []
nbs, cfg = root/'nbs', get_config(root)
parts = dict.fromkeys('01', 'The lesson') | {'2': 'The tool', '3': 'Projects', '4': 'Play and share'}     # by the tens of a page's number
last = 'Behind the pages'
pages = sorted(nbs.glob('*.ipynb'))
names = {o.name: nbpath2html(Path(o.name)).stem for o in pages}     # 04_conv.ipynb becomes conv.html, where nbdev's own links lead
text = lambda c: ''.join(c['source'] or '')
as_text = runpy.run_path(str(root/'.ci/readme.py'))['blocks']

def slug(heading):
    "A heading's address as nbdev writes it"
    return re.sub(r'^[^a-z]+', '', re.sub(r'\s+', '-', re.sub(r'[^\w\s.-]', '', heading.lower()).strip()))

def split(cell):
    "An exported cell as one cell a public function or class, each with its private helpers before it; other cells as they are"
    lines = re.sub(r'^#\|\s*exporti?$', '#| exports', text(cell), flags=re.M).splitlines()
    if '#| exports' not in lines: return [cell]
    public = lambda o: isinstance(o, (ast.FunctionDef, ast.ClassDef)) and o.name[0] != '_'
    cuts = [0, *[o.end_lineno for o in ast.parse('\n'.join(lines)).body if public(o)][:-1], len(lines)]
    said = [o for o in lines if o.startswith('#|')]
    return [mk_cell('\n'.join(said*(a > 0) + lines[a:b]).strip(), metadata=AttrDict()) for a, b in pairwise(cuts)]

class Processors(FilterDefaults):
    "nbdev's, with the title left where it is"
    def base_procs(self): return [o for o in super().base_procs() if o.__name__ not in ('FrontmatterProc', 'insert_warning')]

def process(path):
    "The page after nbdev's processors; what they warn of or fail at is a fault. Exported code is kept, under its documentation"
    nb = read_nb(path)
    shown = [c for c in nb.cells if not re.search(r'^#\|\s*hide\b', text(c), flags=re.M)]
    nb.cells = [o for c in shown for o in split(c)] + [mk_cell('<!-- end -->', 'markdown')]     # nbdev looks behind the last exported cell
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        try: Processors()(nb)
        except Exception as e: faults.append(f'{path.name}: nbdev cannot process it: {str(e)[:300]}')
    faults.extend(f'{path.name}: nbdev warns: {str(o.message)[:300]}' for o in said if 'nbdev' in o.filename or 'fastcore' in o.filename)
    return nb

def links(md):
    "Links to pages by the names they have here, in markdown that nbdev or an author wrote"
    md = re.sub(rf'\]\((?:{re.escape(cfg.doc_url)}/?)?(\w+)\.(?:html|ipynb)(#[^)]*)?\)',
                lambda m: f"]({names.get(m[1] + '.ipynb', m[1])}.ipynb{(m[2] or '').lower()})", md)
    md = re.sub(r'\]\((#[^)]*)\)', lambda m: f']({m[1].lower()})', md)
    return re.sub(rf'\[([^]]*)\]\({re.escape(cfg.doc_url)}/?(demo/)\)', r'<a href="\2">\1</a>', md)     # which dcgan_export makes

def convert(cell, lesson):
    "A processed cell as MyST-NB wants it. A lesson shows its code; elsewhere the signature shows and the code is folded. Imports always are"
    if cell.cell_type == 'markdown': return new_markdown_cell(links(cell.source))
    said, code = dict(re.findall(r'^#\|\s*([\w-]+):?\s*(.*)$', cell.source, flags=re.M)), re.sub(r'^#\|.*\n?', '', cell.source, flags=re.M)
    if code.startswith('show_doc('):
        if not cell.outputs: faults.append(f'nbdev cannot show {code.split(",")[0][9:]}')
        md = not cell.outputs and ' ' or ''.join(cell.outputs[0]['data']['text/markdown']).removeprefix('---\n\n')
        return new_markdown_cell(links(re.sub(r'\{target=.*?\}', '{.source}', md.split('```')[0] if lesson else md)))
    imports = all(re.match(r'(import|from|#|\)|\s|$)', o) for o in code.splitlines())
    tags = ['hide-input']*(imports or 'code-fold' in said and not lesson) + ['remove-input']*(said.get('echo') == 'false')
    about = dict(image=dict(alt=said.get('fig-alt', '').strip('"')), code_prompt_show='Imports' if imports else 'Source')
    return new_code_cell(code, outputs=cell.outputs, metadata=dict(tags=tags, mystnb=about))

def write(path, folder):
    nb, lesson = process(path), path.stem[0] in '01'
    cells = [convert(c, lesson) for c in nb.cells]
    if path.stem == 'index': cells.append(new_markdown_cell(sidebar()))
    write_nb(new_notebook(cells=cells, metadata=dict(kernelspec=nb.metadata['kernelspec'])), folder/f'{names[path.name]}.ipynb')

def plain(path):
    "The page as text, for programs that read: the `Docs:` line of a module and llms.txt lead there"
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    return re.sub(r'\]\((\w+)\.ipynb', lambda m: f"]({names.get(m[1] + '.ipynb', m[1])}.html.md", '\n\n'.join(o for c in cells for o in as_text(c, '')))

def sidebar():
    "Hidden tables of contents, one a part, for the end of the front page"
    titles = {o: re.search(r'^# (.*)', text(read_nb(o).cells[0]))[1] for o in pages if o.stem != 'index'}
    part = lambda o: parts.get(o.stem[0], last) if not o.stem.startswith('00') else last
    line = lambda o: f"{' '.join(re.findall(r'^[0-9]+b?', o.stem))} {titles[o]} <{names[o.name]}>".strip()
    tree = lambda p: '\n'.join(['```{toctree}', ':hidden:', f':caption: {p}', '', *(line(o) for o in titles if part(o) == p), '```'])
    return '\n\n'.join(tree(p) for p in dict.fromkeys([*parts.values(), last]) if any(part(o) == p for o in titles))

css = '''
.main, .main .content { min-width: 0 }
.main .content { width: 58em }                                          /* code lines have up to 120 characters */
pre { font-size: .76rem }
.content p:has(> .source) { float: right; margin: 0; font-size: smaller }
div.cell { margin: 1em 0 }
div.cell_output { overflow-x: auto }                                    /* wide tables scroll by themselves on a phone */
div.cell_output table { border: none; border-collapse: collapse; font-size: .85em; margin: .5em 0 }
div.cell_output :is(th, td) { border: none; border-bottom: 1px solid var(--color-background-border); padding: .2em .6em; text-align: right }
div.cell details.hide { border: none; box-shadow: none; background: none; padding: 0 }
div.cell details.hide > summary > p.admonition-title { background: none; border: none; margin: 0; padding: 0; font-weight: normal; color: var(--color-foreground-muted) }
div.cell details.hide > summary > p.admonition-title::before { display: none }
@media print { .sidebar-drawer, .toc-drawer, .mobile-header { display: none } }
'''

def settings(folder):
    home, card = cfg.doc_url.rstrip('/'), 'images/card.png'
    mathjax = Path(next(iter(find_spec('sphinx-mathjax-offline').submodule_search_locations)))/'static/mathjax/tex-svg.js'
    (folder/'static').mkdir()
    shutil.copy(mathjax, folder/'static')
    (folder/'static/site.css').write_text(css)
    return dict(project=cfg.lib_name, html_title=cfg.lib_name, html_show_copyright=False, extensions='myst_nb,sphinx.ext.mathjax',
                html_theme='furo', html_static_path=['static'], html_css_files=['site.css'], html_baseurl=f'{home}/', html_copy_source=False,
                html_theme_options=dict(top_of_page_buttons=[]), mathjax_path='tex-svg.js', html_extra_path=['extra'],
                nb_execution_mode='off', nb_output_stderr='remove', nb_render_markdown_format='myst', nb_code_prompt_hide='Hide',
                myst_enable_extensions=['dollarmath', 'attrs_inline'], myst_heading_anchors=4, myst_heading_slug_func='docs.slug',
                myst_html_meta={'description': cfg.description, 'property=og:title': cfg.lib_name, 'property=og:description': cfg.description,
                                'property=og:image': f'{home}/{card}', 'property=og:url': f'{home}/', 'twitter:card': 'summary_large_image'},
                suppress_warnings=['config.cache', 'myst.header', 'mystnb.unknown_mime_type', 'mystnb.mime_type', 'misc.highlighting_failure'])

def build(out):
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)/'pages'
        shutil.copytree(nbs/'images', folder/'images')
        shutil.copytree(nbs/'images', folder/'extra/images')
        shutil.copy(nbs/'llms.txt', folder/'extra')
        for o in pages: (folder/'extra'/f'{names[o.name]}.html.md').write_text(plain(o), encoding='utf-8')
        for o in re.findall(rf'{cfg.doc_url}/?([^)\s]+)', (nbs/'llms.txt').read_text(encoding='utf-8')):
            if not (folder/'extra'/o).exists(): faults.append(f'llms.txt leads to {o}, which is not there')
        for o in pages: write(o, folder)
        app = Sphinx(folder, None, Path(tmp)/'html', Path(tmp)/'trees', 'html', settings(folder), status=None, warningiserror=True, parallel=os.cpu_count())
        app.build()
        if app.statuscode: faults.append('Sphinx warns (above)')
        shutil.rmtree(out, ignore_errors=True)
        shutil.move(Path(tmp)/'html', out)

if __name__ == '__main__':
    os.chdir(root)
    os.environ['IN_TEST'] = '1'
    begun, out = time.time(), Path(sys.argv[1] if len(sys.argv) > 1 else cfg.doc_path)
    build(out)
    print('\n'.join(faults) or f'{len(pages)} pages in {out}, {time.time() - begun:.0f} s')
    sys.exit(bool(faults))
