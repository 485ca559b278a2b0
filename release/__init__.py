"""What a release wants besides the code: a changelog that reads one way, one version, and a list of what is inside.

    changelog  CHANGELOG.md, read strictly
    version    the places that spell the version out
    bill       the software bill of materials
    __main__   `make release-check`: whether the tree can be released as it is

Rules: nothing here changes the tree. It is no part of the package, and the gateway knows nothing of it.
"""
