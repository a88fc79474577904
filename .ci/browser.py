"""Use page 40 as a visitor does: in JupyterLab, with a mouse, in a headless Chromium; compare the pictures seen with direct calls.
usage: python .ci/browser.py [FOLDER for screenshots]
JupyterLab and playwright go into a temporary environment beside this one; where they or a Chromium cannot be had, the test is skipped with the reason."""
import ast, base64, io, json, os, re, shutil, signal, socket, subprocess, sys, sysconfig, tempfile, time, urllib.request, venv
from contextlib import contextmanager
from pathlib import Path
from statistics import median

here = Path(__file__).resolve()

# ---- outside: an environment, a Chromium, a time limit, and nothing left behind

def skip(why): sys.exit(print(f'browser test skipped: {why}'))

def ends(command, env, seconds):
    "The exit code of a command; when its time is over, it and all that it started are killed"
    process = subprocess.Popen(command, env=env, start_new_session=True, stdin=subprocess.DEVNULL)
    try: return process.wait(seconds)
    except subprocess.TimeoutExpired: return None
    finally:
        try: os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError: pass

def environment(folder):
    "A Python that has all that this one has, and room for more"
    venv.create(folder/'venv', with_pip=False)
    (next(folder.glob('venv/lib/python*/site-packages'))/'here.pth').write_text(f'import site; site.addsitedir({sysconfig.get_paths()["purelib"]!r})\n')
    return folder/'venv/bin/python'

def outside(shots=None):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp:
        python, env = environment(Path(tmp)), {k: v for k, v in os.environ.items() if not k.startswith(('JUPYTER', 'XDG_'))}
        env |= dict(HOME=tmp, TMPDIR=tmp, JUPYTER_PATH=f'{sys.prefix}/share/jupyter', PLAYWRIGHT_BROWSERS_PATH=f'{tmp}/browsers')
        quiet = ['-q', '--disable-pip-version-check', '--no-warn-script-location']
        if ends([python, '-m', 'pip', 'install', *quiet, 'jupyterlab', 'playwright'], os.environ, 90): skip('pip cannot install jupyterlab and playwright')
        names = 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'
        chromium = next(filter(None, map(shutil.which, names)), '')
        if not chromium and ends([python, '-m', 'playwright', 'install', '--only-shell', 'chromium'], env, 90) != 0:
            skip('there is no Chromium, and playwright cannot download one (apt-get install chromium would do)')
        code = ends([python, here, '--inside', tmp, shots or tmp, chromium], env, 300)
        if code is None: print('browser test: still not done after 5 minutes')
        sys.exit(code != 0)

# ---- inside: the page, a server, a visitor

def notebook():
    "The page's imports and what its two panels need, each panel's cell, and one more"
    cells = [''.join(c['source']) for c in json.loads((here.parent.parent/'nbs/40_explorer.ipynb').read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'code']
    imports = lambda s: not re.search('^ *!', s, re.M) and all(isinstance(o, (ast.Import, ast.ImportFrom)) for o in ast.parse(s).body)
    first = [s for s in cells if imports(s)] + ['from dcgan_nb.explorer import *']
    first += ["folder, generator, digits = Path(tempfile.mkdtemp()), load_generator('digits'), digit_images(32)"]
    first += [s.splitlines()[0] for s in cells if s.startswith('def learner')]
    panels = [s for s in cells if re.match(r'#\| eval: false\n(Explorer|learner)\(', s)]
    assert len(panels) == 2
    cell = lambda i, s: dict(cell_type='code', id=f'c{i}', execution_count=None, metadata={}, outputs=[], source=s)
    return json.dumps(dict(cells=[cell(i, s) for i, s in enumerate(['\n'.join(first), *panels, "print('the next cell ran')"])],
                           metadata=dict(kernelspec=dict(name='python3', display_name='Python 3', language='python')), nbformat=4, nbformat_minor=5))

@contextmanager
def lab(root):
    "JupyterLab at an address of its own"
    settings = root/'.jupyter/lab/user-settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings'
    settings.parent.mkdir(parents=True)
    settings.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    (root/'work').mkdir()
    (root/'work/page.ipynb').write_text(notebook())
    with socket.socket() as s: s.bind(('127.0.0.1', 0)); port = s.getsockname()[1]
    server = subprocess.Popen([sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', f'--ServerApp.port={port}', f'--ServerApp.root_dir={root}/work',
                               '--IdentityProvider.token='], stdout=(log := (root/'lab.log').open('w')), stderr=log)
    try:
        for _ in range(300):
            try: urllib.request.urlopen(f'http://127.0.0.1:{port}/api', timeout=5); break
            except OSError: time.sleep(0.2)
        else: raise AssertionError(f'JupyterLab did not start: {(root/"lab.log").read_text()[-2000:]}')
        yield f'http://127.0.0.1:{port}/doc/tree/page.ipynb'
    finally:
        server.terminate()
        server.wait(20)

class Visitor:
    "Somebody in front of a notebook"
    def __init__(self, root, shots, page): self.root, self.shots, self.page = root, Path(shots), page
    def cell(self, i): return self.page.locator('.jp-CodeCell').nth(i)
    def run(self, i):
        self.cell(i).locator('.jp-InputArea-editor').click()
        self.page.keyboard.press('Shift+Enter')
        expect(self.cell(i).locator('.jp-InputPrompt')).not_to_have_text('[ ]:')
    def press(self, name): self.page.get_by_role('button', name=name, exact=True).click()
    def row(self, label): return self.page.locator('.widget-inline-hbox').filter(has=self.page.get_by_text(label, exact=True))
    def value(self, label): return float(self.row(label).locator('.widget-readout').inner_text())
    def shoot(self, i, name): self.cell(i).locator('.jp-OutputArea .jupyter-widgets').first.screenshot(path=self.shots/name)

    def slide(self, label, to):
        "Drag a slider's handle to a share of its way; its value there"
        box, at = (self.row(label).locator(o).bounding_box() for o in ('.noUi-base', '.noUi-handle'))
        self.page.mouse.move(at['x'] + at['width']/2, at['y'] + at['height']/2)
        self.page.mouse.down()
        self.page.mouse.move(box['x'] + box['width']*to, box['y'] + box['height']/2, steps=6)
        self.page.mouse.up()
        return self.value(label)

    def pixels(self, img):
        "What the browser shows in an <img>, in its own size"
        data = img.evaluate('async o => btoa(Array.from(new Uint8Array(await (await fetch(o.src)).arrayBuffer()), c => String.fromCharCode(c)).join(""))')
        return np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert('RGB')).astype(int)

    def until(self, test, why, seconds=20):
        end = time.monotonic() + seconds
        while not test():
            assert time.monotonic() < end, why
            self.page.wait_for_timeout(50)

    def sees(self, img, z, what):
        "Wait until the picture is what a direct call draws, to a gray level"
        with torch.no_grad(): want = np.array(image_grid(from_range(generator(z)), min(3, len(z)), 1)).astype(int)
        equal = lambda: (now := self.pixels(img)).shape == want.shape and abs(now - want).max() <= 1
        self.until(equal, f'{what}: the picture is not what a direct call draws')
        print(f'{what}: equals the direct call')

def explore(v):
    "Page 40's first panel"
    img, real = (v.page.locator('img.dcgan-pixels').nth(i) for i in (0, 1))
    u = principal_directions(generator)
    img.wait_for(timeout=60_000)
    v.sees(img, sample_z(9, seed=0), 'seed 0')
    before = v.pixels(img)
    d1 = v.slide('d1', 0.9)
    v.sees(img, sample_z(9, seed=0) + d1*u[0], f'd1 dragged to {d1}')
    assert d1 > 1 and not np.array_equal(before, v.pixels(img)), 'the slider did not change the picture'
    v.row('seed').locator('input').fill('12')
    v.page.keyboard.press('Enter')
    v.sees(img, a := sample_z(9, seed=12) + d1*u[0], 'seed 12 typed')
    v.press('pin A')
    tau = v.slide('truncation', 0.2)
    v.sees(img, b := truncated_z(9, tau=tau, seed=12) + d1*u[0], f'truncated at {tau}')
    v.press('pin B')
    v.press('nearest real')
    near = digits[nearest_real(from_range(generator(b).detach()), digits)[1][:, 0]]
    v.until(lambda: real.is_visible() and np.array_equal(v.pixels(real), image_grid(near, 3, 1).convert('RGB')), 'the nearest scans are others')
    v.shoot(1, 'explorer.png')
    frame = v.slide('walk', 0.3)
    v.sees(img, torch.stack([latent_walk(torch.stack(o))[int(frame) - 1] for o in zip(a, b)]), f'frame {frame:.0f} of the walk')
    v.page.locator('.widget-play button').first.click()
    seen = set()
    v.until(lambda: seen.add(v.pixels(img).tobytes()) or len(seen) > 4, 'nothing moves')
    print('play: the picture moves')
    tau = v.slide('truncation', 0.5)
    v.sees(img, truncated_z(9, tau=tau, seed=12) + d1*u[0], f'played on, then truncated at {tau}: the walk is over')
    v.press('shuffle')
    seed = v.row('seed').locator('input')
    expect(seed).not_to_have_value('12')
    v.row('show').locator('select').select_option('picture 5')
    v.sees(img, truncated_z(9, tau=tau, seed=int(seed.input_value()))[4:5] + d1*u[0], 'shuffled, the fifth picture alone')
    v.press('save PNG')
    with v.page.expect_download() as download: v.page.get_by_role('link', name='download').click()
    assert Path(download.value.path()).read_bytes() == (v.root/'work/explorer_1.png').read_bytes(), 'the download is not the saved file'
    print('save PNG: the file and the download are the same')
    latency(v, img)

def latency(v, img):
    "From a key on a slider to the picture in the browser, in milliseconds"
    img.evaluate('o => { let k; waits = []; addEventListener("keydown", () => k = performance.now(), true); o.addEventListener("load", () => waits.push(performance.now() - k)) }')
    for i in range(10):
        v.row('d2').locator('.noUi-handle').press('ArrowRight')
        v.until(lambda: v.page.evaluate('waits.length') > i, 'a key on a slider changes nothing')
    print('from a key on a slider to the picture in the browser: {:.0f} ms (median), at most {:.0f} ms'.format(*(f(v.page.evaluate('waits')) for f in (median, max))))

def watch(v):
    "Page 40's second panel, until somebody interrupts the kernel"
    grid = v.cell(2).locator('img.dcgan-pixels')
    grid.wait_for(timeout=60_000)
    before = v.pixels(grid)
    v.until(lambda: not np.array_equal(before, v.pixels(grid)), 'the pictures do not change')
    print('the pictures change while the fit runs')
    expect(v.cell(2).get_by_text(re.compile(r'epoch ([6-9]|\d\d+) of 400'))).to_be_visible(timeout=60_000)
    v.page.locator('[data-command="notebook:interrupt-kernel"]').first.click()
    stopped = v.cell(2).get_by_text(re.compile(r'^stopped after epoch \d+ of 400$'))
    stopped.wait_for(timeout=30_000)
    v.page.get_by_text('| Idle').wait_for(timeout=20_000)
    v.shoot(2, 'live.png')
    v.run(3)
    v.page.get_by_text('the next cell ran', exact=True).wait_for(timeout=20_000)
    print(f'interrupt: {stopped.inner_text()}, and the next cell runs')

def inside(root, shots, chromium):
    begun = time.monotonic()
    with lab(root) as address, sync_playwright() as p:
        try: browser = p.chromium.launch(executable_path=chromium or None, args=['--no-sandbox'])
        except Error as e: skip(f'Chromium does not start: {str(e).strip().splitlines()[-1]}')
        v = Visitor(root, shots, browser.new_page(viewport=dict(width=1280, height=1100)))
        try:
            v.page.goto(address)
            v.page.get_by_text('| Idle').wait_for(timeout=60_000)
            v.run(0)
            expect(v.cell(0).locator('.jp-InputPrompt')).to_have_text('[1]:', timeout=120_000)
            assert 'Error' not in (said := v.cell(0).locator('.jp-OutputArea').inner_text()), said
            v.run(1)
            explore(v)
            v.run(2)
            watch(v)
        except Exception:
            v.page.screenshot(path=v.shots/'failed.png')
            raise
        finally: browser.close()
    print(f'browser test passed in {time.monotonic() - begun:.0f} s')

if sys.argv[1:2] == ['--inside']:
    from playwright.sync_api import Error, expect, sync_playwright
    import numpy as np, torch
    from PIL import Image
    from dcgan_nb.all import *
    generator, digits = load_generator('digits'), digit_images(32)
    inside(Path(sys.argv[2]), *sys.argv[3:])
else: outside(*sys.argv[1:])
