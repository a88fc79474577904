"Check the house rules of nbs/: a page imports only lower pages, a name has one home, links lead somewhere, each page names the next, figures are described, no page is too big or holds an error."
import ast, json, math, re, sys
from itertools import pairwise
from pathlib import Path

nbs, faults, owner, home = Path(__file__).parent.parent/'nbs', [], {}, {}
pages = {f: json.loads(f.read_text(encoding='utf-8'))['cells'] for f in sorted(nbs.glob('*.ipynb'))}
src = lambda c: ''.join(c['source'])
code = lambda f: [c for c in pages[f] if c['cell_type'] == 'code']
number = lambda f: int(re.match(r'\d+', f.stem)[0]) if f.stem[0].isdigit() else 99

def undescribed(cells):
    "Images without alt text, and figures drawn by cells without `fig-alt` and without a *Figure* text of their own, six cells away at most"
    told = [i for i, c in enumerate(cells) if c['cell_type'] == 'markdown' for _ in re.findall(r'\*Figure', src(c))]
    for i, c in enumerate(cells):
        if c['cell_type'] == 'markdown':
            if re.search(r'!\[\s*\]\(|<img(?![^>]*alt=)', src(c)): yield src(c)[:80]
        elif any(k.startswith('image/') for o in c['outputs'] for k in o.get('data', {})) and not re.search(r'^#\|\s*(hide|fig-alt)', src(c), re.M):
            near = min(told, key=lambda j: abs(j - i), default=math.inf)
            if abs(near - i) > 6: yield src(c)[:80]
            else: told.remove(near)

for f in pages:
    for c in code(f):
        if (m := re.search(r'^#\|\s*default_exp\s+(\S+)', src(c), re.M)): owner[f'dcgan_nb.{m[1]}'] = f
for f in pages:
    if f.stat().st_size > 1.5 * 2**20: faults.append(f'{f.name} is larger than 1.5 MB')
    faults.extend(f'{f.name}: a figure nobody describes: {o!r}' for o in undescribed(pages[f]))
    for c in pages[f]:
        for target in re.findall(r'\]\((?!https?://|#)([^)#]+)', src(c) if c['cell_type'] == 'markdown' else ''):
            if not (nbs/target).exists(): faults.append(f'{f.name} links to {target}, which is not there')
    for c in code(f):
        if any(o['output_type'] == 'error' for o in c['outputs']): faults.append(f'{f.name} holds a saved error')
        tree = ast.parse(re.sub(r'^\s*[%!].*$', '', src(c), flags=re.M))
        for n in ast.walk(tree):
            names = [n.module] if isinstance(n, ast.ImportFrom) else [a.name for a in n.names] if isinstance(n, ast.Import) else []
            if isinstance(n, ast.Call) and getattr(n.func, 'id', '') == 'lazy': names = [o.value for o in n.args if isinstance(o, ast.Constant)]
            for m in names:
                if m in owner and number(owner[m]) > number(f): faults.append(f'{f.name} imports {m}, which {owner[m].name} defines further on')
        if not re.search(r'^#\|\s*exporti?\b', src(c), re.M): continue
        for n in tree.body:
            if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.decorator_list and home.setdefault(n.name, f) != f:
                faults.append(f'{n.name} is exported by {home[n.name].name} and {f.name}')
for f, after in pairwise(o for o in pages if o.stem[0].isdigit()):
    text = '\n'.join(src(c) for c in pages[f] if c['cell_type'] == 'markdown')
    if re.findall(r'^Next: \[[^]]+\]\(([^)]+)\)', text, flags=re.M) != [after.name]: faults.append(f'{f.name} does not end with "Next:" and a link to {after.name}')
print('\n'.join(faults) or f'{len(pages)} pages keep the house rules')
sys.exit(bool(faults))
