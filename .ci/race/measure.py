"What .ci/gpu.py and .ci/bench.py measure with"
import os, psutil, resource, struct, time, torch
from PIL import Image
from dcgan_nb.data import digit_images

def sync():
    if torch.cuda.is_available(): torch.cuda.synchronize()

by_processor = not torch.cuda.is_available() and torch.get_num_threads() == 1

def clock():
    "Seconds; of the processor where one thread does all the work, because other programs do not count there"
    return time.process_time() if by_processor else time.perf_counter()

def ended():
    "Processor seconds of all processes that this one has started and that have ended"
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])

def spent(process=None):
    "Processor seconds of a process, by default this one, and of those that it has started, ended or not"
    own = process or psutil.Process()
    return sum(own.cpu_times()[:4]) + sum(sum(o.cpu_times()[:2]) for o in own.children(recursive=True))

def lap(train, n, skip=1):
    "Seconds for an update, after some that do not count"
    seen, at = 0, []
    def after(G):
        nonlocal seen
        seen += 1
        if seen in (skip, skip + n):
            sync()
            at.append(clock())
        return seen == skip + n
    train(after)
    return (at[1] - at[0]) / n

def product(dtype, device):
    "Seconds for one floating point operation of a large matrix product"
    side = 8192 if device == 'cuda' else 1024
    a, times = torch.ones(side, side, device=device, dtype=dtype), []
    for _ in range(8):
        start = clock()
        a @ a
        sync()
        times.append(clock() - start)
    return min(times) / (2 * side**3)

def write_files(folder, n):
    "Real digits as JPEG files of 64×64, in color, again and again"
    (folder/'all').mkdir(parents=True)
    x, names = digit_images(64)[:n, 0].numpy(), [folder/'all'/f'{i:05d}.jpg' for i in range(n)]
    for name, o in zip(names, x): Image.fromarray(o).convert('RGB').save(name, quality=90)
    for i in range(len(x), n): os.link(names[i % len(x)], names[i])
    return folder

def write_idx(folder, n):
    "Real digits as the four files of MNIST: 28×28, grey"
    folder.mkdir(parents=True, exist_ok=True)
    x = digit_images(28)[torch.arange(n) % 1797, 0]
    head = lambda dims, *sizes: struct.pack(f'>4B{dims}I', 0, 0, 8, dims, *sizes)
    for part in 'train', 't10k':
        (folder/f'{part}-images-idx3-ubyte').write_bytes(head(3, *x.shape) + x.numpy().tobytes())
        (folder/f'{part}-labels-idx1-ubyte').write_bytes(head(1, n) + bytes(n))
