"""After `azd provision`: the next three things to do. Standard library only; azd gives the names."""
# ruff: noqa: INP001 - a script, run by azd

import os
import sys
from collections.abc import Mapping
from typing import Final

STEPS: Final = """
Keywire's resources are there. Next, once `azd deploy` is through (`azd up` goes on with it):

1. The callback URL for your uploads. It holds a key that opens this one function:

   {callback_url_command}

2. Say what matters to whom, then put it where Keywire reads it (docs/interests.md):

   python3 dev.py interests check interests.json
   az storage blob upload --auth-mode login --account-name {storage_account} \\
     --container-name config --name interests.json --file interests.json --overwrite

3. {third}
"""
SIGN: Final = """\
Callback URLs that expire. Put a key in the vault, then let the app use it (docs/security.md):

   openssl rand -base64 32 | az keyvault secret set --vault-name {key_vault} \\
     --name callback-signing-keys --file /dev/stdin --output none
   azd env set SIGN_CALLBACKS true && azd provision"""
BACKFILL: Final = """\
Videos that are there already: count them, and without dryRun extract them (docs/operations.md):

   curl --request POST "{endpoint}/api/operations/backfill?code=$(az functionapp keys list \\
     --resource-group {resource_group} --name {app_name} --query functionKeys.default --output tsv)" \\
     --data '{{"dryRun": true}}'"""


def next_steps(environment: Mapping[str, str]) -> str:
    """The text, from azd's environment values.

    Raises:
        KeyError: An output of `infra/main.bicep` is not among them.
    """
    names = {
        "callback_url_command": environment["KEYWIRE_CALLBACK_URL_COMMAND"],
        "storage_account": environment["KEYWIRE_STORAGE_ACCOUNT"],
        "key_vault": environment["KEYWIRE_KEY_VAULT"],
        "endpoint": environment["KEYWIRE_ENDPOINT"],
        "resource_group": environment["AZURE_RESOURCE_GROUP"],
        "app_name": environment["KEYWIRE_APP_NAME"],
    }
    signed = environment.get("SIGN_CALLBACKS", "").lower() == "true"
    return STEPS.format(**names, third=(BACKFILL if signed else SIGN).format(**names))


if __name__ == "__main__":
    sys.stdout.write(next_steps(os.environ))
