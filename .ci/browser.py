"""Use the explorer and the live training as a visitor does: JupyterLab in headless Chromium, a mouse, and a look at the pictures.
usage: python .ci/browser.py [FOLDER for screenshots] [FOLDER of a trained generator for the first of them]
Installs jupyterlab and playwright with pip, and as root Chromium with apt-get, when they are missing; skips with one line where there is no Chromium."""
import base64, io, json, os, shutil, socket, subprocess, sys, tempfile, time, urllib.request
from pathlib import Path

def skip(why): sys.exit(print(f'browser test skipped: {why}'))
names = 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'
find = lambda: next(filter(None, map(shutil.which, names)), None)
def installed(*command):
    try: return not subprocess.run(command, capture_output=True, timeout=300).returncode
    except (OSError, subprocess.TimeoutExpired): return False

if not find() and hasattr(os, 'geteuid') and os.geteuid() == 0 and shutil.which('apt-get'):
    installed('apt-get', 'update') and installed('apt-get', 'install', '-y', '--no-install-recommends', 'chromium')
if not (chromium := find()): skip('there is no Chromium or Chrome')
try: import jupyterlab, playwright
except ImportError:
    if not installed(sys.executable, '-m', 'pip', 'install', '-q', 'jupyterlab', 'playwright'): skip('pip could not install jupyterlab and playwright')

from playwright.sync_api import expect, sync_playwright
import numpy as np, torch
from PIL import Image
from dcgan_nb.all import *

begun, root = time.perf_counter(), Path(tempfile.mkdtemp())
shots = Path(sys.argv[1]) if len(sys.argv) > 1 else root
shots.mkdir(parents=True, exist_ok=True)
load = f"generator = Generator.from_pretrained({sys.argv[2]!r})" if len(sys.argv) > 2 else 'generator = learn.generator.eval()'
cells = [f'''from dcgan_nb.all import *
learn = dcgan_learner(digits_dls(16, bs=32, device='cpu'), ngf=32, ndf=32, lr=1e-3)
with learn.no_bar(), learn.no_logging(): learn.fit(2)
{load}
generator.save_pretrained('generator')
Explorer(generator, images=digit_images(generator.size[0]))''',
"live = LiveTraining(n=36)\nwith learn.no_bar(), learn.no_logging(): learn.fit(500, cbs=[VitalSigns(), live])\nprint('epochs:', len(learn.recorder.values))",
"print('the next cell ran')"]
cell = lambda i, s: dict(cell_type='code', id=f'c{i}', execution_count=None, metadata={}, outputs=[], source=s)
kernel = dict(name=os.environ.get('KERNEL', 'python3'), display_name='Python 3', language='python')
(root/'page.ipynb').write_text(json.dumps(dict(cells=[cell(i, s) for i, s in enumerate(cells)], metadata=dict(kernelspec=kernel), nbformat=4, nbformat_minor=5)))

with socket.socket() as s: s.bind(('127.0.0.1', 0)); port = s.getsockname()[1]
own = {k: str(root/'jupyter'/k) for k in ('JUPYTER_CONFIG_DIR', 'JUPYTER_RUNTIME_DIR', 'JUPYTERLAB_SETTINGS_DIR', 'JUPYTERLAB_WORKSPACES_DIR', 'IPYTHONDIR')}
log = (root/'lab.log').open('w')
server = subprocess.Popen([sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', f'--ServerApp.port={port}', f'--ServerApp.root_dir={root}',
    '--IdentityProvider.token=', '--LabApp.news_url=', '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate'], env=os.environ | own, stdout=log, stderr=log)

def serving():
    try: return urllib.request.urlopen(f'http://127.0.0.1:{port}/api', timeout=5).status == 200
    except OSError: return False

def pixels(page, img):
    "What the browser shows in an <img>, in its own size"
    data = page.evaluate('''async o => { const b = new Uint8Array(await (await fetch(o.src)).arrayBuffer()); return btoa(Array.from(b, c => String.fromCharCode(c)).join('')) }''', img.element_handle())
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert('RGB')).astype(int)

def changed(page, img, before):
    for _ in range(200):
        if not np.array_equal(now := pixels(page, img), before): return now
        page.wait_for_timeout(50)
    raise AssertionError('the picture did not change')

def check(shown, z, what):
    "The picture equals the direct call, to a grey level"
    with torch.no_grad(): x = from_range(generator(z))
    wanted = np.array(image_grid(x, 3, 1)).astype(int)
    assert shown.shape == wanted.shape and abs(shown - wanted).max() <= 1, f'{what}: the picture is not what a direct call draws'
    print(f'{what}: equals the direct call')

def row(page, label): return page.locator('.widget-inline-hbox').filter(has=page.get_by_text(label, exact=True))
def slide(page, label, to):
    "Drag a slider's handle to a share of its way; its value"
    track, handle = row(page, label).locator('.noUi-base'), row(page, label).locator('.noUi-handle')
    box, at = track.bounding_box(), handle.bounding_box()
    page.mouse.move(at['x'] + at['width']/2, at['y'] + at['height']/2)
    page.mouse.down()
    page.mouse.move(box['x'] + box['width']*to, box['y'] + box['height']/2, steps=6)
    page.mouse.up()
    return float(row(page, label).locator('.widget-readout').inner_text())

def settled(page, img):
    "The picture once it has stopped changing"
    now = pixels(page, img)
    while True:
        page.wait_for_timeout(700)
        was, now = now, pixels(page, img)
        if np.array_equal(was, now): return now

def explore(page):
    global generator
    page.locator('.jp-Cell').first.click()
    page.keyboard.press('Shift+Enter')
    img = page.locator('img.dcgan-pixels').first
    img.wait_for(timeout=120_000)
    generator = Generator.from_pretrained(root/'generator')
    u, start = principal_directions(generator), pixels(page, img)
    check(start, sample_z(9, seed=0), 'seed 0')
    a = slide(page, 'd1', 0.9)
    changed(page, img, start)
    check(moved := settled(page, img), sample_z(9, seed=0) + a*u[0], f'd1 dragged to {a}')
    seed = row(page, 'seed').locator('input')
    seed.fill('12')
    seed.press('Enter')
    check(now := changed(page, img, moved), sample_z(9, seed=12) + a*u[0], 'seed 12 typed')
    page.get_by_role('button', name='pin A').click()
    page.get_by_role('button', name='shuffle').click()
    changed(page, img, now)
    page.get_by_role('button', name='pin B').click()
    page.get_by_role('button', name='nearest real').click()
    page.locator('img.dcgan-pixels').nth(1).wait_for()
    page.wait_for_timeout(500)
    page.locator('.jp-Cell').first.locator('.jp-OutputArea').screenshot(path=shots/'explorer.png')
    b = changed(page, img, now)
    page.locator('.widget-play button').first.click()
    changed(page, img, b)
    page.locator('.widget-play button').first.click()
    print('play: the picture moves')
    page.get_by_role('button', name='save PNG').click()
    page.get_by_role('link', name='download').wait_for()
    with page.expect_download() as d: page.get_by_role('link', name='download').click()
    assert Path(d.value.path()).read_bytes() == (root/'explorer_1.png').read_bytes()
    print('save PNG: the file and the download are the same')

def train(page):
    page.locator('.jp-Cell').nth(1).click()
    page.keyboard.press('Shift+Enter')
    page.keyboard.press('Shift+Enter')        # the next cell waits for its turn
    grid = page.locator('.jp-Cell').nth(1).locator('img.dcgan-pixels')
    grid.wait_for(timeout=60_000)
    changed(page, grid, pixels(page, grid))
    page.get_by_role('button', name='save now').click()
    page.get_by_text('load_generator').wait_for()
    assert load_generator(next((root/'models').iterdir())).sample(1).shape == (1, 1, 16, 16)
    print('save now: a generator is there while the fit runs')
    page.wait_for_timeout(4000 if shots == root else 25_000)
    page.get_by_role('button', name='stop after this epoch').click()
    done = page.locator('.jp-OutputArea-output').filter(has_text='epochs:')
    done.wait_for(timeout=30_000)
    expect(page.get_by_text('the next cell ran', exact=True)).to_be_visible()
    page.wait_for_timeout(500)
    page.locator('.jp-Cell').nth(1).locator('.jp-OutputArea').screenshot(path=shots/'live.png')
    assert 0 < (n := int(done.inner_text().split()[-1])) < 500
    print(f'stop after this epoch: {n} epochs of 500, and the next cell ran')

try:
    while not serving():
        assert server.poll() is None and time.perf_counter() - begun < 60, f'JupyterLab did not start: {(root/"lab.log").read_text()[-2000:]}'
        time.sleep(0.2)
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=['--no-sandbox'])
        page = browser.new_page(viewport=dict(width=1280, height=1100))
        page.goto(f'http://127.0.0.1:{port}/doc/tree/page.ipynb')
        page.locator('.jp-Notebook-ExecutionIndicator[data-status=idle]').first.wait_for(state='attached', timeout=60_000)
        try:
            explore(page)
            train(page)
        except Exception:
            page.screenshot(path=shots/'failed.png')
            raise
        browser.close()
    print(f'browser test passed in {time.perf_counter() - begun:.0f} s')
finally:
    server.terminate()
    server.wait(20)
    if shots != root: shutil.rmtree(root, ignore_errors=True)
