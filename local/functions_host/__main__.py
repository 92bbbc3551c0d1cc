"""`python -m local.functions_host`: one process of the local Functions host."""

import sys

from local.functions_host.process import main

sys.exit(main())
