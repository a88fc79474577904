"The arithmetic of PyTorch's DCGAN example in a plain loop, at any size: 32 bits, image files, two loader processes"
import torch, torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import DataLoader
from torchvision import transforms as T
from torchvision.datasets import ImageFolder

def start(m):
    if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)): nn.init.normal_(m.weight, 0, 0.02)
    if isinstance(m, nn.BatchNorm2d): nn.init.normal_(m.weight, 1, 0.02)

def networks(size, width, nz=100):
    "G and D for pictures of size×size, a power of 2"
    ws, norm = [width * min(2**i, 8) for i in range(size.bit_length() - 3)], nn.BatchNorm2d
    g = [nn.Unflatten(1, (nz, 1, 1)), nn.ConvTranspose2d(nz, ws[-1], 4, bias=False), norm(ws[-1]), nn.ReLU(True)]
    d = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for a, b in zip(ws, ws[1:]):
        g[4:4] = nn.ConvTranspose2d(b, a, 4, 2, 1, bias=False), norm(a), nn.ReLU(True)      # built from the end
        d += nn.Conv2d(a, b, 4, 2, 1, bias=False), norm(b), nn.LeakyReLU(0.2, True)
    g += nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh()
    d += nn.Conv2d(ws[-1], 1, 4, bias=False), nn.Flatten(0)
    return nn.Sequential(*g).apply(start), nn.Sequential(*d).apply(start)

def batches(folder, size, bs):
    "Shuffled batches of decoded files, for ever"
    tfms = T.Compose([T.Resize(size), T.CenterCrop(size), T.ToTensor(), T.Normalize([0.5]*3, [0.5]*3)])
    dl = DataLoader(ImageFolder(folder, tfms), bs, shuffle=True, drop_last=True, num_workers=2)
    while True: yield from (x for x, _ in dl)

def bce(logits, label): return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))

def train(folder, after, size=64, bs=64, width=64, device='cpu', nets=None, lr=2e-4):
    "Update D and G with each batch, until `after(G)` is true"
    G, D = (o.to(device) for o in nets or networks(size, width))
    opt_g, opt_d = (optim.Adam(o.parameters(), lr, (0.5, 0.999)) for o in (G, D))
    for real in batches(folder, size, bs):
        opt_d.zero_grad()
        real_loss = bce(D(real.to(device)), 1.)
        real_loss.backward()
        fake = G(torch.randn(bs, 100, device=device))
        fake_loss = bce(D(fake.detach()), 0.)
        fake_loss.backward()
        opt_d.step()
        opt_g.zero_grad()
        loss_g = bce(D(fake), 1.)
        loss_g.backward()
        opt_g.step()
        real_loss.item(), fake_loss.item(), loss_g.item()      # a GPU is waited for, as where losses are printed
        if after(G): return
