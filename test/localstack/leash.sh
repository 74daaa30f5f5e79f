#!/usr/bin/env bash
# leash.sh COMMAND...
# Runs COMMAND and ends with its status. Standard input is the leash: when its other end closes, and that happens at the
# latest when the process that holds it dies, everything in this group is killed. So start this as the leader of a group.
exec 3<&0
"$@" </dev/null 3<&- &
command=$!
{ read -r _ <&3; kill -KILL 0; } &
watcher=$!
wait "$command"
status=$?
kill "$watcher"
exit "$status"
