// Latents from a seed: the same numbers as `demo_z` in Python

function* uniform(seed) {                 // in (0, 1): xorshift32 (Marsaglia, 2003), from a seed that is mixed first
  let s = (seed + 0x9e3779b9) | 0
  for (const [shift, factor] of [[16, 0x85ebca6b], [13, 0xc2b2ae35]]) s = Math.imul(s ^ (s >>> shift), factor)
  s = (s ^ (s >>> 16)) || 1
  while (true) {
    s ^= s << 13
    s ^= s >>> 17
    s ^= s << 5
    yield (s >>> 0) / 2**32
  }
}

function latents(seed, n, nz) {           // n rows of nz standard normal numbers: Box and Muller
  const u = uniform(seed), z = []
  while (z.length < n * nz) {
    const r = Math.sqrt(-2 * Math.log(u.next().value)), a = 2 * Math.PI * u.next().value
    z.push(r * Math.cos(a), r * Math.sin(a))
  }
  return Array.from({length: n}, (_, i) => z.slice(i * nz, (i + 1) * nz))
}

function slerp(a, b, t) {                 // on the arc from a to b
  const size = x => Math.hypot(...x), unit = x => { const s = size(x); return x.map(o => o / s) }
  const u = unit(a), v = unit(b)
  const minus = size(u.map((x, i) => x - v[i])), plus = size(u.map((x, i) => x + v[i]))
  const w = Math.max(1e-4, 2 * Math.atan2(minus, plus))
  return a.map((x, i) => (Math.sin((1 - t) * w) * x + Math.sin(t * w) * b[i]) / Math.sin(w))
}
