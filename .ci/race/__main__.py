"""One contestant as a process of its own, so that memory and start-up are its own. It prints a line after the first
update and after every N more, and at the end the most memory it has held.
usage: python -m race plain|stock|ours '{"folder": …}' N       or python -m race SCRIPT.py ITS ARGUMENTS"""
import atexit, importlib, json, re, resource, runpy, signal, sys, torch
from pathlib import Path

def peak():
    "GB of the GPU's memory where there is one, else of the process's"
    if torch.cuda.is_initialized(): return torch.cuda.max_memory_allocated() / 2**30
    own = Path('/proc/self/status')      # Linux's ru_maxrss starts with what the parent process held
    if own.exists(): return int(re.search(r'VmHWM:\s*(\d+)', own.read_text())[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**30      # macOS: bytes

def counted(n, cuda):
    "A function to be called after every update"
    seen = 0
    def after(G):
        nonlocal seen
        seen += 1
        if (seen - 1) % n: return
        if cuda: torch.cuda.synchronize()
        print('updates', seen, flush=True)
    return after

def leave(*_): sys.exit()

def main(name, *args):
    if name.endswith('.py'):
        sys.argv = [name, *args]
        return runpy.run_path(name, run_name='__main__')
    kwargs, n = json.loads(args[0]), int(args[1])
    importlib.import_module(f'race.{name}').train(after=counted(n, kwargs.get('device') == 'cuda'), **kwargs)

if __name__ == '__main__':
    signal.signal(signal.SIGTERM, leave)
    atexit.register(lambda: print('peak', peak(), flush=True))
    main(*sys.argv[1:])
