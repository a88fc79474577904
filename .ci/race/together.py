"""`dcgan_learner` in one of several processes, which prints the processor seconds of an update.
usage: torchrun --nproc_per_node 2 -m race.together '{"folder": …}' N"""
import json, sys
from dcgan_nb.folders import read_images
from .measure import lap
from .ours import fit, learner

def main(kwargs, n):
    folder, size, rest = kwargs.pop('folder'), kwargs.pop('size'), kwargs
    learn = learner(read_images(folder, size, 3), **rest)
    with learn.distrib_ctx(sync_bn=False, cpu=True): seconds = lap(lambda after: fit(learn, after), n, 4)
    print('lap', seconds, flush=True)

if __name__ == '__main__': main(json.loads(sys.argv[1]), int(sys.argv[2]))
