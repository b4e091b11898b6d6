#!/bin/sh
# The compiler of a bench for mutants. Forge asks for its version at each start, and node takes longer to say it than most tests take.
tools=$(dirname "$0")
if [ "$1" = --version ]; then
    exec cat "$tools/version"
fi
exec node "$tools/remembered.mjs" "$@"
