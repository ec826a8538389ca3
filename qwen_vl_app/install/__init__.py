"""From a bare machine to a proved environment: what start.sh runs before any dependency is there.

Standard library only. It makes `.venv`, installs the dependencies, builds llama-cpp-python for this
processor and proves the build in a child process, because a build that merely imports may still die on its
first quantised matrix product.
"""
