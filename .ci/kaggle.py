"""Pretend to be a fresh Kaggle machine and Run all: torch, fastai and the rest are there, dcgan_nb is not, the first cell installs it.
usage: python .ci/kaggle.py [PAGE ...]      run it where dcgan_nb's requirements are installed"""
import json, os, runpy, shutil, subprocess, sys, sysconfig, tempfile, time, venv
from pathlib import Path
from PIL import Image

root = Path(__file__).parent.parent
head = runpy.run_path(str(root/'.ci/head.py'))
here = Path(sysconfig.get_paths()['purelib'])

# Kaggle's internet switch, as the first cell's probe meets it
switch = "import socket; socket.create_connection = lambda a, *k, on={on}, real=socket.create_connection, pair=socket.socketpair, **kw: " \
         "real(a, *k, **kw) if a[0] != '1.1.1.1' else pair()[0] if on else (_ for _ in ()).throw(OSError('unreachable'))"
probe = '''from dcgan_nb.folders import *
import sys
for words, root in zip((['cifar'], ['cars']), sys.argv[1:]): print(get_dataset('', '', words, root=root), len(image_files(get_dataset('', '', words, root=root))))
'''

absent = 'dcgan_nb', 'nbdev', 'torch_fidelity', 'torchmetrics', 'lightning_utilities'

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
        source = shutil.copytree(root, tmp/'source', ignore=shutil.ignore_patterns('.git', '_proc', 'runs', 'build', '*.egg-info'))
        subprocess.run([sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '-w', tmp/'dist', source], check=True)
        env = {k: v for k, v in os.environ.items() if not k.startswith(('PIP_', 'PYTHON'))}
        env |= dict(KAGGLE_KERNEL_RUN_TYPE='Interactive', PIP_FIND_LINKS=str(tmp/'dist'), PATH=f"{python.parent}:{os.environ['PATH']}")
        if not set(pages) & set(head['extras']): env |= dict(PIP_NO_INDEX='1', PIP_CONFIG_FILE=os.devnull)
        (python.parent/'pip').write_text(f'#!/bin/sh\nexec {python} -m pip "$@"\n')
        (python.parent/'pip').chmod(0o755)
        run = lambda *args: subprocess.run([python, *args], env=env, cwd=tmp, text=True, capture_output=True)
        before = packages(python)
        assert 'torch' in before and 'dcgan_nb' not in before and run('-c', 'import dcgan_nb').returncode, 'the machine is not fresh'

        wire.write_text(switch.format(on=False))
        start = time.time()
        off = run(root/'.ci/runall.py', '08_models').stdout
        assert 'ConnectionError: No internet: switch it on' in off, off
        print(f'without internet: says so in {time.time() - start:.1f} s, kernel start included')

        wire.write_text(switch.format(on=True))
        out = run(root/'.ci/runall.py', *pages)
        print(out.stdout, end='')
        after = packages(python)
        assert not out.returncode, out.stderr[-2000:]
        assert before.items() <= after.items(), 'the first cell replaced a package'
        assert after['dcgan_nb'] == head['cfg']['version'] and ('PIP_NO_INDEX' not in env or len(after) == len(before) + 1)

        cifar, cars = (o[1] for o in head['projects'].values())
        found = attach(tmp/'input', cifar, [f'cifar10/cifar10/{part}/frog/{i}.png' for part in ('train', 'test') for i in range(3)])
        parked = attach(tmp/'input', cars, [f'cars_{part}/cars_{part}/0000{i}.jpg' for part in ('train', 'test') for i in range(4)])
        for mount in (tmp/'input/datasets', tmp/'input/before'):
            seen = run('-c', probe, mount, mount).stdout
            want = [o for o in (*found, *parked) if o.is_relative_to(mount)]
            assert seen.splitlines() == [f'{want[0]} 6', f'{want[1]} 8'], seen
        print(f'{len(pages)} pages ran with what a Kaggle image holds; nothing in it was replaced; both data sets were found at both mounts')

main(sys.argv[1:] or ['08_models'])
