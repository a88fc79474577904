"Everything: `from dcgan_nb.all import *`"
from .core import *
from .data import *
from .losses import *
from .conv import *
from .activations import *
from .norm import *
from .init import *
from .models import *
from .optim import *
from .learner import *
from .stability import *
from .sampling import *
from .metrics import *
from .scaling import *
from .runs import *
from .recipes import *
from .explorer import *
