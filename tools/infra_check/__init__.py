"""Checks of `infra/` that need no Azure and no Bicep compiler.

`syntax` reads the files with a grammar. `expressions` computes what is known before a deployment.
`deployment` lists the resources that a set of parameters creates; the tests compare that list with what
Keywire promises. `known_at_start` finds values that Bicep needs too early. `checkov` applies its own rules.
"""
