"Write README.md and .github/CONTRIBUTING.md from their notebooks, without quarto. usage: python .ci/readme.py"
import json, re
from pathlib import Path

root = Path(__file__).parent.parent
text = lambda o: ''.join(o)

def outputs(cell):
    "What a code cell printed or returned, as an indented block"
    out = [text(o.get('text', o.get('data', {}).get('text/plain', ''))) for o in cell['outputs'] if o.get('name') != 'stderr']
    return [f'```\n{o.rstrip()}\n```' for o in out if o.strip()]

def blocks(cell, nbs):
    "A cell as markdown, links to other pages going through `nbs`"
    src = text(cell['source'])
    if cell['cell_type'] == 'markdown': return [re.sub(r'\]\((?!https?://|#)', f']({nbs}', src)]
    if re.search(r'^#\|\s*(hide|default_exp)', src, re.M): return []
    return ['```python\n' + re.sub(r'^#\|.*\n', '', src, flags=re.M).rstrip() + '\n```', *outputs(cell)]

if __name__ == '__main__':
    for page, target, nbs in ('index', 'README.md', 'nbs/'), ('contributing', '.github/CONTRIBUTING.md', '../nbs/'):
        cells = json.loads((root/f'nbs/{page}.ipynb').read_text(encoding='utf-8'))['cells']
        body = '\n\n'.join(b for c in cells for b in blocks(c, nbs))
        (root/target).write_text(f'<!-- made from nbs/{page}.ipynb by .ci/readme.py: edit the notebook -->\n\n{body}\n', encoding='utf-8')
