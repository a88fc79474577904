"fastai's stock `GANLearner` on the files of a folder, with the paper's Adam, losses and networks"
from fastai.vision.all import *      # what its users import
from fastai.vision.gan import *
from .plain import bce, networks

class After(Callback):
    "Two batches are one update of both networks"
    order = 101
    def __init__(self, after): self.after = after
    def before_fit(self): self.seen = 0
    def after_batch(self):
        self.seen += 1
        if self.seen % 2 == 0 and self.after(self.model.generator): raise CancelFitException

def data(folder, size, bs, device):
    block = DataBlock(blocks=(TransformBlock, ImageBlock), get_x=generate_noise, get_items=get_image_files,
                      splitter=IndexSplitter([]), item_tfms=Resize(size, method=ResizeMethod.Crop),
                      batch_tfms=Normalize.from_stats([0.5]*3, [0.5]*3))
    return block.dataloaders(folder, path=folder, bs=bs, num_workers=2, device=torch.device(device))

def train(folder, after, size=64, bs=64, width=64, device='cpu', nets=None, lr=2e-4):
    losses = lambda fake, out, target: bce(fake, 1.), lambda real, fake: bce(real, 1.) + bce(fake, 0.)
    adam = partial(Adam, mom=0.5, sqr_mom=0.999, eps=1e-8, wd=0.)
    learn = GANLearner(data(folder, size, bs, device), *(nets or networks(size, width)), *losses, opt_func=adam, lr=lr)
    with learn.no_bar(), learn.no_logging(): learn.fit(10**6, cbs=After(after))
