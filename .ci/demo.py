"""Open the web page that `dcgan_export digits --out demo` makes in headless Chromium, turn its knobs, and compare its pictures with torch's.
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
driver = '''<!DOCTYPE html><html><body style="margin:0"><iframe id="page" src="index.html#seed=3&t=0.5&n=16" style="border:0; width:100%; height:100vh"></iframe><img src="hold" alt="" hidden><script>
const home = o => fetch('/seen', {method: 'POST', body: JSON.stringify(o)}), seen = []
const $ = id => document.getElementById('page').contentDocument?.getElementById(id)
async function shown(what, hash) {
  const right = () => hash ? $('pictures')?.dataset.shown == hash : $('pictures').dataset.shown != seen.at(-1).shown
  while (!right()) {
    if ($('said')?.textContent.startsWith('It did not work')) throw new Error($('said').textContent)
    await new Promise(r => setTimeout(r, 20))
  }
  const img = $('pictures'), address = document.getElementById('page').contentWindow.location.hash
  seen.push({what, shown: img.dataset.shown, src: img.src, alt: img.alt, address, python: $('python').textContent, said: $('said').textContent, way: $('way').textContent})
}
const set = (id, value, event) => { $(id).value = value; $(id).dispatchEvent(new Event(event, {bubbles: true})) }
async function main() {
  await shown('the address', 'seed=3&t=0.5&n=16')
  if (location.search) return home(seen)
  document.getElementById('page').contentWindow.location.hash = '#seed=3&t=0.25&n=16'; await shown('another address', 'seed=3&t=0.25&n=16')
  for (const t of [0.3, 0.5, 0.9, 0]) set('t', t, 'input'); await shown('the slider', 'seed=3&t=0&n=16')
  set('seed', '4294967295', 'change'); await shown('the last seed', 'seed=4294967295&t=0&n=16')
  set('t', 1, 'input'); await shown('all the way, past the last seed', 'seed=4294967295&t=1&n=16')
  $('n1').click(); await shown('one picture', 'seed=4294967295&t=1&n=1')
  $('shuffle').click(); await shown('shuffle', '')
  set('seed', '-5', 'change'); await new Promise(r => setTimeout(r, 300)); seen.push({what: 'a bad seed', shown: $('pictures').dataset.shown, box: $('seed').value})
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

def visit(chromium, folder, query='', *flags, timeout=40):
    "What the driver sees on the page in `folder`; with flags the browser has work of its own and ends by itself"
    heard = threading.Event()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, ThreadingHTTPServer(('127.0.0.1', 0), partial(Server, directory=folder, heard=heard)) as server:
        server.daemon_threads, server.block_on_close = True, False
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
        assert abs(shown - wanted).max() <= 1, f"{o['what']}: the picture differs from torch's by {abs(shown - wanted).max()} grey levels"
        assert o['address'] == '#' + o['shown'] and not o['said'], o
        print(f"{what or o['what']}: what {o['address']} shows is what torch draws")

def check_digits(seen):
    check(seen[:-1])
    *drawn, bad = seen
    assert drawn[0]['alt'] == '16 pictures by the generator digits, from seed 3, 50 % of the way to the next' and drawn[0]['way'] == '50 %', drawn[0]
    for a, b in zip(drawn[:4], drawn[1:5]): assert abs(a['pixels'] - b['pixels']).mean() > 5, f"{b['what']}: the picture did not change"
    assert np.array_equal(drawn[5]['pixels'], drawn[4]['pixels'][1:33, 1:33]), 'one picture is not the first of 16'
    assert bad['shown'] == drawn[-1]['shown'] and f"seed={bad['box']}&" in bad['shown'], f'a bad seed was taken: {bad}'

def main(shot=None):
    begun, chromium = time.perf_counter(), next(filter(None, map(shutil.which, names)), None)
    if not chromium: return print('demo test skipped: there is no Chromium or Chrome')
    with tempfile.TemporaryDirectory() as tmp:
        try: folder, worst = export_run('digits', Path(tmp)/'demo')
        except (ImportError, FileNotFoundError) as e: return print(f'demo test skipped: {e}')
        check_digits(visit(chromium, folder))
        garish = Generator((32, 48), 3, ngf=8)
        for o in garish.parameters(): o.data *= 8 if o.ndim == 4 else 1     # an untrained one draws grey
        garish.save_pretrained(Path(tmp)/'colour')
        check(visit(chromium, export_run(Path(tmp)/'colour', Path(tmp)/'wide')[0], '?once'), 'rectangles in colour')
        if shot: visit(chromium, folder, '?once', f'--screenshot={Path(shot).resolve()}', '--window-size=460,860')
    print(f'demo test passed in {time.perf_counter() - begun:.0f} s: ONNX within {worst:.0e} of torch, pages within one grey level')

if __name__ == '__main__': main(*sys.argv[1:])
