"""Pretend to be a fresh Kaggle or Colab machine and Run all: torch, fastai and the rest are there, dcgan_nb is not, the first cell installs it.
usage: python .ci/kaggle.py [PAGE ...]            on the packages installed here
       python .ci/kaggle.py --as kaggle [PAGE ...]   on those of .ci/kaggle.txt (or colab), in a folder of ~/.cache/dcgan_nb: 6 GB, once"""
import hashlib, json, os, runpy, shutil, subprocess, sys, sysconfig, tempfile, time, venv
from pathlib import Path

root = Path(__file__).parent.parent
head = runpy.run_path(str(root/'.ci/head.py'))
here = Path(sysconfig.get_paths()['purelib'])

# Kaggle's internet switch, as the first cell's probe meets it; with it the repository's files, which some pages fetch
switch = "import socket; socket.create_connection = lambda a, *k, on={on}, real=socket.create_connection, pair=socket.socketpair, **kw: " \
         "real(a, *k, **kw) if a[0] != '1.1.1.1' else pair()[0] if on else (_ for _ in ()).throw(OSError('unreachable')); " \
         "import urllib.request as u; u.urlopen = lambda r, *k, real=u.urlopen, **kw: " \
         "real(getattr(r, 'full_url', r).replace('{raw}', 'file://{source}'), *k, **kw)"
raw = f"https://raw.githubusercontent.com/{head['cfg']['user']}/{head['cfg']['lib_name']}/{head['cfg']['branch']}"
probe = '''from dcgan_nb.folders import *
import sys
for words, root in zip((['cifar'], ['cars']), sys.argv[1:]): print(get_dataset('', '', words, root=root), len(image_files(get_dataset('', '', words, root=root))))
'''

absent = 'dcgan_nb', 'nbdev', 'torch_fidelity', 'torchmetrics', 'lightning_utilities'

def image(name):
    "The Python of a virtual environment that holds what `.ci/NAME.txt` lists, made once; the first line names Python's version"
    listed = root/f'.ci/{name}.txt'
    want = listed.read_text(encoding='utf-8').split('\n')[0].split()[-1]
    folder = Path.home()/f'.cache/dcgan_nb/{name}-{hashlib.sha256(listed.read_bytes()).hexdigest()[:8]}'
    python = folder/'bin/python'
    if not (folder/'whole').exists():
        base = find_python(want)
        print(f'{name}: making {folder} with {base} and {listed.name}', flush=True)
        subprocess.run([base, '-m', 'venv', '--clear', folder], check=True)
        subprocess.run([python, '-m', 'pip', 'install', '-q', '-r', listed], check=True)
        (folder/'whole').touch()
    return python

def find_python(want):
    "A Python of this version, or else this one, and says so"
    for o in [shutil.which(f'python{want}'), *sorted(Path.home().glob(f'.pyenv/versions/{want}.*/bin/python'))]:
        if o and not subprocess.run([o, '-c', ''], capture_output=True).returncode: return o
    print(f'no Python {want} here: this is Python {sys.version.split()[0]}')
    return sys.executable

def machine(folder):
    "A Python that sees what is installed here but for `absent`, from outside its own folder, so that pip cannot remove it"
    (folder/'image').mkdir()
    for o in here.iterdir():
        if not o.name.startswith((*absent, '__editable__')) and o.suffix != '.pth': (folder/'image'/o.name).symlink_to(o)
    venv.create(folder/'venv', with_pip=False)
    site = next(folder.glob('venv/lib/python*/site-packages'))
    (site/'image.pth').write_text(str(folder/'image'))
    return folder/'venv/bin/python', site/'switch.pth'

def packages(python):
    listing = 'import json; from importlib.metadata import distributions; print(json.dumps({o.name: o.version for o in distributions()}))'
    return json.loads(subprocess.check_output([python, '-I', '-c', listing], text=True))

def attach(folder, owner_slug, files):
    "A Kaggle data set at today's mount, and a link to it at the older one"
    from PIL import Image
    new = folder/'datasets'/owner_slug
    for o in files:
        (new/o).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (64, 64), 'teal').save(new/o)
    (folder/'before').mkdir(exist_ok=True)
    shutil.copytree(new, folder/'before'/new.name)
    return new, folder/'before'/new.name

def main(pages):
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        python, wire = machine(tmp)
        source = shutil.copytree(root, tmp/'source', ignore=shutil.ignore_patterns('.git', '_proc', '_docs', 'runs', 'build', '*.egg-info'))
        subprocess.run([sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '-w', tmp/'dist', source], check=True)
        for o in (source/'nbs').glob('*.ipynb'):      # the first cell looks for a wheel below /kaggle/input
            o.write_text(o.read_text(encoding='utf-8').replace('/kaggle/input/{at}', f'{tmp}/input/{{at}}'), encoding='utf-8')
        env = {k: v for k, v in os.environ.items() if not k.startswith(('PIP_', 'PYTHON'))}
        env |= dict(KAGGLE_KERNEL_RUN_TYPE='Interactive', PATH=f"{python.parent}:{os.environ['PATH']}")
        index = dict(PIP_FIND_LINKS=str(tmp/'dist'))       # stands for PyPI
        if not set(pages) & set(head['extras']): index |= dict(PIP_NO_INDEX='1', PIP_CONFIG_FILE=os.devnull)
        (python.parent/'pip').write_text(f'#!/bin/sh\nexec {python} -m pip "$@"\n')
        (python.parent/'pip').chmod(0o755)
        run = lambda *args, **more: subprocess.run([python, *args], env=env | more, cwd=tmp, text=True, capture_output=True)
        before = packages(python)
        assert 'torch' in before and 'dcgan_nb' not in before and run('-c', 'import dcgan_nb').returncode, 'the machine is not fresh'

        wire.write_text(switch.format(on=False, raw=raw, source=tmp/'nowhere'))
        start = time.time()
        off = run(source/'.ci/runall.py', '00_core').stdout
        assert 'ConnectionError: No internet: switch it on' in off, off
        print(f'without internet: says so in {time.time() - start:.1f} s, kernel start included')
        for at in ('input/datasets/you/wheel', 'input/wheel'):
            shutil.copytree(tmp/'dist', tmp/at)
            off = run(source/'.ci/runall.py', '00_core', PIP_CONFIG_FILE=os.devnull)
            assert not off.returncode, off.stdout + off.stderr
            run('-m', 'pip', 'uninstall', '-qy', 'dcgan_nb')
            assert packages(python) == before
            shutil.rmtree(tmp/at)
        print('without internet, with an attached wheel: the page ran')

        wire.write_text(switch.format(on=True, raw=raw, source=source))
        out = run(source/'.ci/runall.py', *pages, **index)
        print(out.stdout, end='')
        after = packages(python)
        assert not out.returncode, out.stderr[-2000:]
        assert before.items() <= after.items(), 'the first cell replaced a package'
        assert after['dcgan_nb'] == head['cfg']['version'] and ('PIP_NO_INDEX' not in index or len(after) == len(before) + 1)

        cifar, cars = (o[1] for o in head['projects'].values())
        found = attach(tmp/'input', cifar, [f'cifar10/cifar10/{part}/frog/{i}.png' for part in ('train', 'test') for i in range(3)])
        parked = attach(tmp/'input', cars, [f'cars_{part}/cars_{part}/0000{i}.jpg' for part in ('train', 'test') for i in range(4)])
        for mount in (tmp/'input/datasets', tmp/'input/before'):
            seen = run('-c', probe, mount, mount).stdout
            want = [o for o in (*found, *parked) if o.is_relative_to(mount)]
            assert seen.splitlines() == [f'{want[0]} 6', f'{want[1]} 8'], seen
        versions = ', '.join(f'{o} {before[o]}' for o in ('torch', 'fastai', 'fastcore'))
        print(f'{len(pages)} pages ran with Python {sys.version.split()[0]}, {versions}; nothing was replaced; both data sets were found at both mounts')

if sys.argv[1:2] == ['--as']: sys.exit(subprocess.run([image(sys.argv[2]), __file__, *sys.argv[3:]]).returncode)
main(sys.argv[1:] or ['08_models'])
