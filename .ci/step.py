"""Where the time of a bfloat16 step goes on one thread, and what was tried to shorten it: the tables of page 21.
usage: OMP_NUM_THREADS=1 python .ci/step.py      all numbers are processor time; two minutes, if the processor is free"""
import os, time, warnings
os.environ.setdefault('KINETO_LOG_LEVEL', '6')      # of the profiler, before torch
import torch, torch.nn.functional as F
warnings.filterwarnings('ignore')
from collections import Counter
from dcgan_nb.data import ImageSet, image_dls
from dcgan_nb.learner import dcgan_learner
from dcgan_nb.speed import interleaved, ratios, step_flops
from torch import nn
from torch.profiler import ProfilerActivity, profile

bs, last = 128, torch.channels_last

def best(f, n=3, rounds=4):
    "Milliseconds of a call, the best of some rounds"
    f()
    def once():
        start = time.process_time()
        for _ in range(n): f()
        return (time.process_time() - start) / n * 1e3
    return min(once() for _ in range(rounds))

def part(g, x, w, which):
    "The gradient of a 4×4 convolution in steps of 2: of its input (0) or of its weights (1)"
    mask = [i == which for i in range(3)]
    return torch.ops.aten.convolution_backward(g, x, w, None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1, mask)[which]

def weight_grad(x, g):
    "The gradient of the weights as one matrix product of patches: x is b×c×2h×2w, g is b×d×h×w"
    x = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1).contiguous()
    (b, h, w, c), (p, q, r, _) = x.shape, x.stride()
    patches = x.as_strided((b, h//2 - 1, w//2 - 1, 4, 4, c), (p, 2*q, 2*r, q, r, 1)).reshape(-1, 16*c)
    return (patches.T @ g.permute(0, 2, 3, 1).flatten(0, 2)).view(4, 4, c, -1).permute(3, 2, 0, 1)

class Product(torch.autograd.Function):
    "A convolution, or a transposed one, whose weights get their gradient from a product"
    @staticmethod
    def forward(ctx, x, w, up):
        ctx.save_for_backward(x, w)
        ctx.up = up
        return (F.conv_transpose2d if up else F.conv2d)(x, w, None, 2, 1)
    @staticmethod
    def backward(ctx, g):
        (x, w), (need_x, need_w, _), up = ctx.saved_tensors, ctx.needs_input_grad, ctx.up
        gx = (F.conv2d(g, w, None, 2, 1) if up else part(g, x, w, 0)) if need_x else None
        return gx, (weight_grad(g, x) if up else weight_grad(x, g)) if need_w else None, None

class Up(nn.ConvTranspose2d):
    def forward(self, x): return Product.apply(x.bfloat16(), self.weight.bfloat16(), True)
class Down(nn.Conv2d):
    def forward(self, x): return Product.apply(x.bfloat16(), self.weight.bfloat16(), False)
class First(nn.ConvTranspose2d):
    "From one pixel: a matrix product"
    def forward(self, x):
        w = self.weight.permute(0, 2, 3, 1)
        return (x.flatten(1) @ w.flatten(1)).view(len(x), *w.shape[1:]).permute(0, 3, 1, 2)
class Last(nn.Conv2d):
    "To one pixel: a matrix product"
    def forward(self, x): return (x.permute(0, 2, 3, 1).flatten(1) @ self.weight.permute(0, 2, 3, 1).flatten(1).T)[:, :, None, None]

def fold(x, w):
    n, c, h, k = x.shape
    patches = (x.permute(0, 2, 3, 1).reshape(n, h*k, c) @ w.reshape(c, -1)).transpose(1, 2)
    return F.fold(patches, (2*h, 2*k), 4, padding=1, stride=2)

def subpixel(x, w):
    "Four 2×2 convolutions, as one of 3×3 with zeros, and a shuffle of pixels"
    kernel, taps = w.new_zeros(w.shape[1], 2, 2, w.shape[0], 3, 3), (((0, 3), (1, 1)), ((1, 2), (2, 0)))
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        for p, i in taps[a]:
            for q, j in taps[b]: kernel[:, a, b, :, p, q] = w[:, :, i, j].T
    return F.pixel_shuffle(F.conv2d(x, kernel.flatten(0, 2), padding=1), 2)

def learner(ends=False, grads=False, size=32):
    ds = ImageSet(torch.randint(256, (4*bs, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)))
    learn = dcgan_learner(image_dls(ds, bs, 'cpu'), precision='bf16')
    up, down = ([o for o in net.modules() if isinstance(o, kind)] for net, kind in ((learn.generator, nn.ConvTranspose2d), (learn.discriminator, nn.Conv2d)))
    if ends: up[0].__class__, down[-1].__class__ = First, Last
    if grads: up[1].__class__, down[-2].__class__ = Up, Down
    return learn

def epochs(learn):
    def run(n):
        with learn.no_bar(), learn.no_logging(): learn.fit(n)
    return run

def profiled(learn):
    "Share of the time by what is done"
    kinds = dict(convolution_backward='convolutions, backward', mkldnn_convolution='convolutions, forward', _convolution='convolutions, forward',
                 leaky_relu='activations', threshold='activations', clamp_min='activations', tanh='activations',
                 batch_norm='batch norm', copy='casts and copies', adam='Adam')
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as p: epochs(learn)(1)
    out, layers = Counter(), Counter()
    for o in p.key_averages(group_by_input_shape=True):
        kind = next((v for k, v in kinds.items() if k in o.key and o.key.startswith('aten::')), 'the rest')
        out[kind] += o.self_cpu_time_total
        if 'backward' in kind: layers['×'.join(map(str, o.input_shapes[2]))] += o.self_cpu_time_total
    total = sum(out.values())
    return [{k: f'{v / total:.0%}' for k, v in o.most_common()} for o in (out, layers)]

def transposed(ci, co, h):
    "Forward and backward of a transposed convolution in several ways, in milliseconds"
    x = torch.randn(bs, ci, h, h).bfloat16().to(memory_format=last).requires_grad_()
    w = (torch.randn(ci, co, 4, 4) * .02).bfloat16().to(memory_format=last).requires_grad_()
    ways = {'conv_transpose2d': lambda x, w: F.conv_transpose2d(x, w, None, 2, 1), 'weight gradient by product': lambda x, w: Product.apply(x, w, True),
            'product and fold': fold, 'four sub-pixel convolutions': subpixel}
    g = torch.randn(bs, co, 2*h, 2*h).bfloat16().to(memory_format=last)
    return {k: round(best(lambda: torch.autograd.grad(f(x, w), (x, w), g)), 1) for k, f in ways.items()}

def weights_only(ci, co, h):
    x, g = (torch.randn(bs, *o).bfloat16().to(memory_format=last) for o in ((ci, h, h), (co, h//2, h//2)))
    w = torch.randn(co, ci, 4, 4).bfloat16().to(memory_format=last)
    exact = part(g.float(), x.float(), w.float(), 1)
    off = lambda o: f'{((o.float() - exact).norm() / exact.norm()).item():.2%} off'
    return {'as now': (round(best(lambda: part(g, x, w, 1)), 1), off(part(g, x, w, 1))), 'product': (round(best(lambda: weight_grad(x, g)), 1), off(weight_grad(x, g)))}

if __name__ == '__main__':
    a = torch.ones(1024, 1024, dtype=torch.bfloat16)
    rate = 2 * 1024**3 / best(lambda: a @ a, 8) * 1e3
    print(f'{torch.get_num_threads()} thread, products at {rate/1e9:,.0f} GFLOP/s')
    ways = {'now': {}, 'both ends as products': dict(ends=True), 'weight gradients by product': dict(grads=True), 'both': dict(ends=True, grads=True)}
    for size in 32, 64:
        learners = {k: learner(**kw, size=size) for k, kw in ways.items()}
        times = interleaved({k: epochs(o) for k, o in learners.items()}, 1, 4, time.process_time)
        print(f'\na step at {size}×{size}: milliseconds, share of products, times as fast (lowest to highest)')
        for k, (mid, low, high) in ratios(times, 'now').items():
            seconds = sorted(times[k])[2] / 4
            print(f'{k:28} {seconds*1e3:4.0f} {step_flops(size, bs=bs)/seconds/rate:4.0%}  {mid:.2f} ({low:.2f} to {high:.2f})')
        if size == 32: profiles = {k: profiled(learners[k]) for k in ('now', 'both')}
    for k, (by_kind, by_layer) in profiles.items():
        print(f'\nprofile, {k}:', by_kind, '\n  backward, by weights:', by_layer)
    print('\ntransposed convolution, forward and backward, ms')
    for o in (256, 128, 4), (128, 64, 8): print(' ', o, transposed(*o))
    print('\ngradient of the weights of a convolution, ms and distance from 32 bits')
    for o in (128, 256, 8), (64, 128, 16): print(' ', o, weights_only(*o))
