"""Open the web page that `dcgan_export` makes of three generators in headless Chromium, turn its knobs, and compare its pictures with torch's.
usage: python .ci/demo.py [SCREENSHOT.png]      skips with one line where there is no Chromium, no ONNX exporter or no onnxruntime-web"""
import base64, io, json, os, shutil, subprocess, sys, tempfile, threading, time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
import numpy as np
from PIL import Image
from dcgan_nb.all import *

names = 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'

# A page around the page, which turns the knobs as a visitor would and sends home what the <img> holds
driver = '''<!DOCTYPE html><html><body style="margin:0"><iframe id="page" style="border:0; width:100%; height:100vh"></iframe><img src="hold" alt="" hidden><script>
const frame = document.getElementById('page'), home = o => fetch('/seen', {method: 'POST', body: JSON.stringify(o)}), seen = []
const $ = id => frame.contentDocument?.getElementById(id), wait = ms => new Promise(r => setTimeout(r, ms))
const address = () => frame.contentWindow.location.hash.slice(1)
async function shown(what, right) {       // until it is there, and the address has followed
  while (!($('pictures')?.dataset.shown && right($('pictures').dataset.shown) && $('pictures').dataset.shown == address())) {
    if ($('said')?.textContent.startsWith('It did not work')) throw new Error($('said').textContent)
    await wait(20)
  }
  const img = $('pictures')
  seen.push({what, shown: img.dataset.shown, src: img.src, alt: img.alt, address: address(), python: $('python').textContent, said: $('said').textContent, way: $('way').textContent, choice: !$('choice').hidden})
}
const is = hash => o => o == hash
const set = (id, value, event) => { $(id).value = value; $(id).dispatchEvent(new Event(event, {bubbles: true})) }
async function main() {
  frame.src = 'index.html#' + decodeURIComponent(location.search.slice(1))
  await shown('the address', o => o.endsWith('seed=3&t=0.5&n=16'))
  if (location.search.includes('which')) return home(seen)
  const more = seen[0].choice
  frame.contentWindow.location.hash = '#seed=3&t=0.25&n=16'; await shown('another address', is('which=digits&seed=3&t=0.25&n=16'))
  for (const t of [0.3, 0.5, 0.9, 0]) set('t', t, 'input'); await shown('the slider', is('which=digits&seed=3&t=0&n=16'))
  set('seed', '4294967295', 'change'); await shown('the last seed', is('which=digits&seed=4294967295&t=0&n=16'))
  set('t', 1, 'input'); await shown('all the way, past the last seed', is('which=digits&seed=4294967295&t=1&n=16'))
  $('n1').click(); await shown('one picture', is('which=digits&seed=4294967295&t=1&n=1'))
  $('n16').click(); $('shuffle').click(); await shown('shuffle', o => !o.includes('seed=4294967295') && o.endsWith('t=0&n=16'))
  for (const which of ['cars_augmented', 'cifar10']) { set('which', which, 'change'); await shown(which, o => o.startsWith(`which=${which}&`)) }
  set('seed', '-5', 'change'); await wait(300); seen.push({what: 'a bad seed', shown: $('pictures').dataset.shown, box: $('seed').value})
  frame.src = 'about:blank'; await wait(100); frame.src = 'index.html'      // no address: it walks
  while (!$('pictures')?.dataset.shown) await wait(20)
  const first = $('pictures').dataset.shown
  while ($('pictures').dataset.shown == first) await wait(20)
  const later = $('pictures').dataset.shown; $('walk').click(); await shown('the walk, stopped', () => true); await wait(300)
  seen.push({what: 'the walk', first, later, stopped: seen.at(-1).shown, now: $('pictures').dataset.shown})
  await home(seen)
}
main().catch(e => home(String(e)))
</script></body></html>'''

class Server(SimpleHTTPRequestHandler):
    "The demo's folder, the driver, an ear for what it has seen, and a picture that is long in coming, so that the page counts as loading until then"
    def __init__(self, *args, heard, **kwargs):
        self.heard = heard
        super().__init__(*args, **kwargs)
    def log_message(self, *args): pass
    def answer(self, kind, data=b''):
        self.send_response(200)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def do_GET(self):
        if self.path == '/hold': return self.heard.wait(60) and self.answer('text/plain')
        if self.path.startswith('/driver'): return self.answer('text/html', driver.encode())
        super().do_GET()
    def do_POST(self):
        self.heard.seen = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        self.answer('text/plain')
        self.heard.set()

def visit(chromium, folder, query='', *flags, timeout=90):
    "What the driver sees on the page in `folder`; with flags the browser has work of its own and ends by itself"
    heard = threading.Event()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, ThreadingHTTPServer(('127.0.0.1', 0), partial(Server, directory=folder, heard=heard)) as server:
        server.daemon_threads, server.block_on_close, server.handle_error = True, False, lambda *args: None      # a browser may hang up
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [chromium, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--hide-scrollbars',
                   f'--user-data-dir={profile}', *flags, f'http://127.0.0.1:{server.server_port}/driver.html{query}']
        with subprocess.Popen(command, env=os.environ | dict(TMPDIR=profile), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
            try:
                assert heard.wait(timeout), f'nothing was drawn within {timeout} seconds'
                if flags: p.wait(timeout)
            finally:
                p.terminate()
                try: p.wait(10)
                except subprocess.TimeoutExpired: p.kill()
                server.shutdown()
    return heard.seen

def pixels(src):
    assert src.startswith('data:image/png;base64,'), src[:60]
    return np.array(Image.open(io.BytesIO(base64.b64decode(src.split(',')[1]))).convert('RGB')).astype(int)

def check(seen, what=''):
    "Every picture is the one that the Python line under it draws"
    assert isinstance(seen, list), seen
    for o in seen:
        shown, wanted = pixels(o['src']), eval(o['python'])
        wanted = np.array(wanted.resize((shown.shape[1], shown.shape[0]), 0).convert('RGB')).astype(int)     # image_grid enlarges
        o['pixels'] = shown
        assert abs(shown - wanted).max() <= 1, f"{o['what']}: the picture differs from torch's by {abs(shown - wanted).max()} gray levels"
        assert o['address'] == o['shown'] and not o['said'], o
        print(f"{what or o['what']}: what #{o['address']} shows is what torch draws")

def check_all(seen):
    assert isinstance(seen, list), seen
    *drawn, bad, stopped, walk = seen
    check([*drawn, stopped])
    assert drawn[0]['alt'] == '16 pictures by the generator digits, from seed 3, 50 % of the way to the next' and drawn[0]['way'] == '50 %' and drawn[0]['choice'], drawn[0]
    for a, b in zip(drawn[:4], drawn[1:5]): assert abs(a['pixels'] - b['pixels']).mean() > 5, f"{b['what']}: the picture did not change"
    assert np.array_equal(drawn[5]['pixels'], drawn[4]['pixels'][1:33, 1:33]), 'one picture is not the first of 16'
    assert bad['shown'] == drawn[-1]['shown'] and f"seed={bad['box']}&" in bad['shown'], f'a bad seed was taken: {bad}'
    assert walk['first'] != walk['later'] and walk['stopped'] == walk['now'], f'the walk did not move, or did not stop: {walk}'
    print(f"without an address it walks: {walk['first']}, then {walk['later']}; stopped at {walk['now']}")

def main(shot=None):
    begun, chromium = time.perf_counter(), next(filter(None, map(shutil.which, names)), None)
    if not chromium: return print('demo test skipped: there is no Chromium or Chrome')
    with tempfile.TemporaryDirectory() as tmp:
        try: folder, worst = export_run(['digits', 'cars_augmented', 'cifar10'], Path(tmp)/'demo')
        except (ImportError, FileNotFoundError) as e: return print(f'demo test skipped: {e}')
        check_all(visit(chromium, folder, '?seed=3%26t=0.5%26n=16'))
        garish = Generator((32, 48), 3, ngf=8)
        for o in garish.parameters(): o.data *= 8 if o.ndim == 4 else 1     # an untrained one draws gray
        garish.save_pretrained(Path(tmp)/'color')
        one = visit(chromium, export_run(Path(tmp)/'color', Path(tmp)/'wide')[0], '?which=none%26seed=3%26t=0.5%26n=16')
        check(one, 'rectangles in color')
        assert not one[0]['choice'], 'a choice of one'
        if shot: visit(chromium, folder, '?which=cars_augmented%26seed=3%26t=0.5%26n=16', f'--screenshot={Path(shot).resolve()}', '--window-size=460,940')
    print(f'demo test passed in {time.perf_counter() - begun:.0f} s: ONNX within {worst:.0e} of torch, pages within one gray level')

if __name__ == '__main__': main(*sys.argv[1:])
