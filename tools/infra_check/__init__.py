"""Checks of `infra/` that need no Azure.

There is no Bicep compiler here, but a grammar: `syntax` reads the files, `expressions` computes what can be
known before anything is deployed, and `deployment` says which resources a set of parameters would make. The
tests hold that against what is promised; `checkov` holds the files against others' rules.
"""
