"""What the handlers of one process share: the services, made at the first import and checked there.

A missing setting ends the start of the app with its name, not an invocation hours later.
"""

import os
from typing import Final

from keywire.services import Services
from keywire.settings import Settings

services: Final = Services(Settings.from_environment(os.environ))
