"""`python -m trm_np`, which is `trm`."""

from trm_np.start import trm

if __name__ == "__main__":  # not where a process of the lab looks for the code it is to run
    trm()
