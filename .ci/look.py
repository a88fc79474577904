"""Visit the site that .ci/docs.py built, in headless Chromium, and fail where a reader could not read.
usage: python .ci/look.py [SITE] [FOLDER for screenshots]      skips with one line where there is no Chromium or no playwright"""
import re, shutil, sys, tempfile, threading, time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag
from docs import cfg, last, names, pages, parts, read_nb, text

chromes = 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'

class Server(SimpleHTTPRequestHandler):
    def log_message(self, *args): pass

def page_with(parts, *needed):
    "The address of the first page of these parts whose text and outputs hold all that is needed"
    holds = lambda o: all(any(n in text(c) or n in str(c.get('outputs')) for c in read_nb(o).cells) for n in needed)
    return f'{names[next(o for o in pages if o.stem[0] in parts and holds(o)).name]}.html'

class Visitor:
    "Somebody with a browser; what the browser complains about is kept"
    def __init__(self, browser, home, shots): self.browser, self.home, self.shots, self.faults = browser, home, Path(shots), []
    def open(self, address, width=1300, height=1000, scheme='light'):
        page = self.browser.new_page(viewport=dict(width=width, height=height), color_scheme=scheme)
        page.route(lambda o: not o.startswith(self.home), lambda o: o.fulfill(body='<svg xmlns="http://www.w3.org/2000/svg" width="110" height="20"/>', content_type='image/svg+xml'))
        page.on('console', lambda o: self.faults.append(f'{page.url}: {o.text}') if o.type == 'error' else None)
        page.on('pageerror', lambda o: self.faults.append(f'{page.url}: {o}'))
        page.goto(self.home + address, wait_until='load')
        return page
    def shoot(self, page, name): page.screenshot(path=self.shots/f'{name}.png')

def front(v):
    page = v.open('')
    assert page.title() == cfg.lib_name, page.title()
    part = page.locator('.sidebar-tree .caption').all_inner_texts()
    assert [o.lower() for o in part] == [o.lower() for o in dict.fromkeys([*parts.values(), last])], part
    assert len(page.locator('.sidebar-tree a').all()) == len(pages) - 1, 'a page is not in the sidebar'
    v.shoot(page, 'front')
    page.locator('.sidebar-search').fill('batch norm')
    page.keyboard.press('Enter')
    page.locator('.search li a').first.wait_for()
    found = page.locator('.search li > a').all_inner_texts()
    assert any('batch norm' in o.lower() for o in found[:3]), f'searching for batch norm finds {found[:3]}'
    v.shoot(page, 'search')
    page.locator('.search li > a').first.click()
    page.wait_for_load_state()
    assert page.locator('h1').inner_text().strip('¶') == found[0], page.url

def reading(v, address, name, **kwargs):
    "A page with its first figure in view"
    page = v.open(address, **kwargs)
    figure = page.locator('.cell_output img').first
    figure.scroll_into_view_if_needed()
    assert figure.bounding_box()['width'] > 100, f'{address}: the first figure is not to be seen'
    v.shoot(page, name)
    return page

def lesson(v):
    page = reading(v, address := page_with('01', '$$', 'image/png'), 'lesson')
    page.locator('mjx-container svg').first.wait_for()
    formula = page.locator('mjx-container[display=true]').first
    assert formula.bounding_box()['height'] > 20, f'{address}: no formula to be seen'
    formula.scroll_into_view_if_needed()
    v.shoot(page, 'formula')
    dark = reading(v, address, 'dark', scheme='dark').evaluate('getComputedStyle(document.body).backgroundColor')
    assert sum(map(int, re.findall(r'\d+', dark)[:3])) < 200, f'{address}: {dark} is not dark'
    reading(v, address, 'phone', width=390, height=800)

def answers(v):
    page = v.open(page_with('01', '<details>'))
    folded = page.locator('details:not(.hide)').last
    assert folded.get_attribute('open') is None
    folded.locator('summary').click()
    assert folded.bounding_box()['height'] > 60, 'the answers do not unfold'
    folded.scroll_into_view_if_needed()
    v.shoot(page, 'answers')

def demo(v, site):
    if not (site/'demo').exists(): return print('no demo to look at')
    page = v.open('')
    page.locator('a[href="demo/"]').first.click()
    page.locator('img[src^="data:"], canvas').first.wait_for(timeout=60_000)
    v.shoot(page, 'demo')

def everywhere(v, site):
    "Every page at the width of a phone: nothing sticks out, no picture is missing, every link of ours leads somewhere"
    ids, links, page = {}, set(), v.open('', 390, 800)
    for address in sorted(o.name for o in site.glob('*.html')):
        page.goto(v.home + address)
        wide = page.evaluate('Math.max(...Array.from(document.querySelectorAll("html, .content"), o => o.scrollWidth))')
        if wide > 390: v.faults.append(f'{address}: {wide} pixels wide on a phone of 390')
        gone = page.evaluate('Array.from(document.images).filter(o => o.loading != "lazy" && o.complete && !o.naturalWidth).map(o => o.src)')
        v.faults.extend(f'{address}: {o} is missing' for o in gone)
        ids[address] = set(page.evaluate('Array.from(document.querySelectorAll("[id]"), o => o.id)'))
        links |= {(address, o) for o in page.evaluate('Array.from(document.links, o => o.href)') if o.startswith(v.home)}
    for address, link in sorted(links):
        file, at = map(unquote, urldefrag(link.removeprefix(v.home)))
        file = file.partition('?')[0] or 'index.html'
        if file == 'demo/': continue
        if not (site/file).exists() or at and at not in ids.get(file, {at}): v.faults.append(f'{address} links to {file}#{at}, which is not there')

def main(site, shots):
    begun, chromium = time.time(), next(filter(None, map(shutil.which, chromes)), None)
    if not chromium: return print('look at the site skipped: there is no Chromium (apt-get install chromium)')
    try: from playwright.sync_api import sync_playwright
    except ImportError: return print('look at the site skipped: there is no playwright (pip install playwright)')
    Path(shots).mkdir(parents=True, exist_ok=True)
    with ThreadingHTTPServer(('127.0.0.1', 0), partial(Server, directory=site)) as server, sync_playwright() as p:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = p.chromium.launch(executable_path=chromium, args=['--no-sandbox'])
        v = Visitor(browser, f'http://127.0.0.1:{server.server_port}/', shots)
        front(v)
        lesson(v)
        answers(v)
        reading(v, page_with('3', 'image/'), 'project')
        demo(v, site)
        everywhere(v, site)
        browser.close()
        server.shutdown()
    print('\n'.join(v.faults) or f'the site can be read: {time.time() - begun:.0f} s')
    sys.exit(bool(v.faults))

if __name__ == '__main__':
    site = Path(sys.argv[1] if len(sys.argv) > 1 else cfg.doc_path)
    with tempfile.TemporaryDirectory() as tmp: main(site, sys.argv[2] if len(sys.argv) > 2 else tmp)
