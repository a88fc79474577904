// The page's knobs: which generator, seed, how far to the next seed, how many pictures; and a walk that turns them by itself

const $ = id => document.getElementById(id)
const knobs = {which: '', seed: 0, t: 0, n: 16}
const nets = {}                           // name → a promise of its network
let about = {}                            // name → nz, c, h, w and file
let walking = false, busy = null, again = false, writing = 0

function paint(x, n, {c, h, w}) {         // pictures in a square, with a white line between them, as a PNG
  const cols = Math.sqrt(n), gap = n > 1 ? 1 : 0, color = c == 3 || c == 4
  const canvas = document.createElement('canvas'), pen = canvas.getContext('2d')
  canvas.width = cols * (w + gap) + gap
  canvas.height = cols * (h + gap) + gap
  pen.fillStyle = 'white'
  pen.fillRect(0, 0, canvas.width, canvas.height)
  for (let i = 0; i < n; i++) {
    const tile = pen.createImageData(w, h)
    for (let p = 0; p < h * w; p++) for (let k = 0; k < 4; k++)
      tile.data[4 * p + k] = k == 3 && c != 4 ? 255 : 127.5 + 127.5 * x[(i * c + (color ? k : 0)) * h * w + p]
    pen.putImageData(tile, gap + (i % cols) * (w + gap), gap + Math.floor(i / cols) * (h + gap))
  }
  return canvas.toDataURL('image/png')
}

async function draw() {
  const {which, seed, t, n} = knobs, {nz, h, w, file} = about[which]
  const to = latents((seed + 1) >>> 0, n, nz), z = latents(seed, n, nz).flatMap((a, i) => slerp(a, to[i], t))
  if (!nets[which]) $('said').textContent = 'Loading the generator …'
  const net = await (nets[which] ??= ort.InferenceSession.create(file))
  const begin = performance.now()
  const {pictures} = await net.run({z: new ort.Tensor('float32', Float32Array.from(z), [n, nz])})
  const way = t ? `, ${Math.round(100 * t)} % of the way to the next` : '', count = n > 1 ? `${n} pictures` : 'A picture'
  $('said').textContent = ''
  $('pictures').style.aspectRatio = `${w} / ${h}`
  $('pictures').src = paint(pictures.data, n, about[which])
  $('pictures').alt = `${count} by the generator ${which}, from seed ${seed}${way}`
  $('pictures').dataset.shown = new URLSearchParams({which, seed, t, n})
  $('python').textContent = `image_grid(load_generator(${JSON.stringify(which)}).draw(demo_z(${n}, ${nz}, seed=${seed}, t=${t})), cols=${Math.sqrt(n)})`
  $('took').textContent = `Drawn in ${Math.ceil(performance.now() - begin)} ms on this device.`
}

const fail = e => { walking = false; $('walk').textContent = 'Walk'; $('said').textContent = `It did not work: ${e.message}` }

function update() {                       // while a picture is drawn, only the last turn of a knob waits
  again = true
  return busy ??= (async () => {
    try { while (again) { again = false; await draw() } } catch (e) { fail(e) }
    busy = null
  })()
}

function turn(changes) {                  // what cannot be read stays as it was
  const seed = Math.floor(Number(changes.seed ?? NaN)), t = Number(changes.t ?? NaN), n = Number(changes.n)
  if (Object.hasOwn(about, changes.which)) knobs.which = changes.which
  if (seed >= 0 && seed < 2**32) knobs.seed = seed
  if (t >= 0 && t <= 1) knobs.t = Math.round(1e4 * t) / 1e4
  if (n == 1 || n == 16) knobs.n = n
  $('which').value = knobs.which
  if ($('seed').value === '' || Number($('seed').value) != knobs.seed) $('seed').value = knobs.seed
  $('t').value = knobs.t
  $('way').textContent = `${Math.round(100 * knobs.t)} %`
  $('n' + knobs.n).checked = true
  clearTimeout(writing)                   // browsers refuse an address that changes all the time
  if (!walking) writing = setTimeout(() => history.replaceState(null, '', '#' + new URLSearchParams(knobs)), 100)
  return update()
}

async function walk(on) {                 // four seconds from one seed to the next
  walking = on
  $('walk').textContent = on ? 'Stop' : 'Walk'
  if (!on) return turn({})
  for (let last = performance.now(); walking;) {
    const now = await new Promise(requestAnimationFrame), step = Math.min(0.05, (now - last) / 4000)
    last = now
    if (walking) await turn(knobs.t < 1 ? {t: Math.min(1, knobs.t + step)} : {seed: (knobs.seed + 1) % 2**32, t: 0})
  }
}

const stop = changes => { if (walking) walk(false); turn(changes) }
const read = () => stop(Object.fromEntries(new URLSearchParams(location.hash.slice(1))))

async function start() {
  if (location.protocol == 'file:') throw new Error('browsers run this only from a web server. In this folder, type python -m http.server and open http://localhost:8000')
  about = await (await fetch('about.json')).json()
  for (const name in about) $('which').add(new Option(name))
  $('choice').hidden = Object.keys(about).length < 2
  addEventListener('hashchange', read)
  $('which').addEventListener('change', e => turn({which: e.target.value}))
  $('seed').addEventListener('change', e => stop({seed: e.target.value === '' ? NaN : e.target.value}))
  $('t').addEventListener('input', e => stop({t: e.target.value}))
  for (const n of [1, 16]) $('n' + n).addEventListener('change', () => turn({n}))
  $('shuffle').addEventListener('click', () => stop({seed: Math.floor(Math.random() * 1e6), t: 0}))
  $('walk').addEventListener('click', () => walk(!walking))
  ort.env.wasm.numThreads = 1
  knobs.which = Object.keys(about)[0]
  const still = location.hash || matchMedia('(prefers-reduced-motion: reduce)').matches
  if (still) read(); else walk(true)
}
start().catch(fail)
