"The programs that .ci/gpu.py and .ci/bench.py let run against each other. Each imports only what its users import."
