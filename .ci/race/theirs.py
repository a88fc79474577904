"The networks of PyTorch-GAN's dcgan.py, from a clone of it, in `dcgan_learner`"
import ast
from dcgan_nb.folders import read_images
from pathlib import Path
from torch import nn
from types import SimpleNamespace
from . import ours

def networks(script, size):
    "G and D as its script makes them, for grey pictures; D gives logits, as `dcgan_learner` wants them"
    tree = ast.parse(Path(script).read_text())
    tree.body = [o for o in tree.body if isinstance(o, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))]
    names = dict(opt=SimpleNamespace(img_size=size, latent_dim=100, channels=1))
    exec(compile(tree, script, 'exec'), names)
    G, D = (names[o]().apply(names['weights_init_normal']) for o in ('Generator', 'Discriminator'))
    D.adv_layer, G.nz = D.adv_layer[:1], 100      # without the sigmoid
    D.model.append(nn.Flatten())      # its `view` refuses channels_last
    for o in (G, D): o.size, o.channels = (size, size), 1
    return G, D

def train(folder, after, script, size=32, width=None, **kwargs):
    ours.fit(ours.learner(read_images(folder, size, 1), nets=networks(script, size), **kwargs), after)
