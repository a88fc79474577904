"`dcgan_learner`, in any precision, with or without a recorded step, in one process or several; images in memory"
import dcgan_nb.devices, os, socket, subprocess, sys, torch      # the first gives learners `distrib_ctx`
from dcgan_nb.folders import read_images
from dcgan_nb.data import ImageSet, image_dls
from dcgan_nb.learner import dcgan_learner
from dcgan_nb.speed import GraphStep
from fastai.callback.core import Callback, CancelFitException
from .__main__ import peak

gpu = torch.cuda.is_available()

class After(Callback):
    order = 101
    def __init__(self, after): self.after = after
    def after_batch(self):
        if self.after(self.learn.generator): raise CancelFitException

def learner(ds, bs=64, width=64, device='cpu', precision='fp32', recorded=False, nets=(None, None), lr=2e-4):
    cbs = [GraphStep()] if recorded else []
    return dcgan_learner(image_dls(ds, bs, device), *nets, lr=lr, ngf=width, ndf=width, precision=precision, cbs=cbs)

def fit(learn, after):
    with learn.no_bar(), learn.no_logging(): learn.fit(10**6, cbs=After(after))

def train(folder, after, size=64, nets=None, world=1, **kwargs):
    if world > 1: join(world)
    learn = learner(read_images(folder, size, 3), nets=nets or (None, None), **kwargs)
    if world == 1: return fit(learn, after)
    with learn.distrib_ctx(sync_bn=gpu, cpu=not gpu): fit(learn, after)

def join(world):
    "Be one of so many processes on this machine; the first one starts the others"
    if 'RANK' not in os.environ: start(world)
    if gpu: torch.cuda.set_device(int(os.environ['LOCAL_RANK']))

def start(world):
    "Start the others, in this one's group: torchrun's have groups of their own, and could not be stopped with it"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        at = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(s.getsockname()[1]), WORLD_SIZE=str(world))
    for i in reversed(range(world)):
        os.environ.update(at, RANK=str(i), LOCAL_RANK=str(i))
        if i: subprocess.Popen(sys.orig_argv, stdout=subprocess.DEVNULL)

def noise(n, size, channels=3):
    return ImageSet(torch.randint(256, (n, channels, size, size), dtype=torch.uint8), 'random')

def peak_of(size, width, bs, precision, device='cpu'):
    "The most memory of two updates, in GB"
    if device == 'cuda': torch.cuda.reset_peak_memory_stats()
    steps = iter((False, True))
    fit(learner(noise(4*bs, size), bs, width, device, precision), lambda G: next(steps))
    return peak()
