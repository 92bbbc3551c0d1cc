"""`python -m emulators.functions_host`: one process of the local Functions host."""

import sys

from emulators.functions_host.process import main

sys.exit(main())
