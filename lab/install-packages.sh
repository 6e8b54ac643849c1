#!/usr/bin/env bash
# install-packages.sh NAME...: installs Debian packages, as root. Its output must be a file; what apt and dpkg say goes there, and
# after a failure two last lines: what failed, and the remedy. SIGTERM ends it (130) before anything is installed; once dpkg is at
# work that is let finish, for half an installation is worse than a late end. It removes nothing and starts no service.
set -uo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

log=/proc/$$/fd/1
# Debian's switch against starting services while packages are configured (invoke-rc.d(8)): 101 forbids.
policy=${POLICY_FILE:-/usr/sbin/policy-rc.d}
policy_mark='# Put here while Supercloud installs packages; none of their services is to start.'
options=(
  -o APT::Get::Assume-Yes=true -o APT::Install-Recommends=false -o APT::Get::Remove=false -o APT::Get::Fix-Broken=true
  # A mirror that stalls is a failure, not a wait without end.
  -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30
  # Nobody is there to be asked about changed configuration files: the machine's own stay.
  -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0
)
# A machine that has just booted is often busy with its own upgrades.
lock_tries=60
lock_pause_seconds=${LOCK_PAUSE_SECONDS:-5}

child= stopped= phase=fetch
trap 'stopped=yes; [ "$phase" != fetch ] || [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' INT TERM HUP
# A run that was killed has left its switch; nobody else's is touched.
trap 'drop_policy' EXIT

drop_policy() {
  ! grep -qsF "$policy_mark" "$policy" || rm -f "$policy"
}

set_policy() {
  [ -e "$policy" ] || { printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy" && chmod 755 "$policy"; }
}

end() {
  printf '%s\n%s\n' "$1" "$2"
  exit 1
}

end_if_stopped() {
  [ -z "$stopped" ] || exit 130
}

# Waits for a child that signals to us do not end; it has its own session, out of reach of whoever signals our group.
attend() {
  local code
  setsid "$@" </dev/null 2>&1 8<&- &
  child=$!
  wait "$child"
  code=$?
  # A signal ends the waiting, not the child.
  while ((code > 128)) && kill -0 "$child" 2>/dev/null; do
    wait "$child"
    code=$?
  done
  # It may have ended between the two: bash still knows how.
  ((code <= 128)) || { wait "$child"; code=$?; }
  child=
  return "$code"
}

apt() {
  local code try from
  for ((try = 0; try < lock_tries; try++)); do
    end_if_stopped
    from=$(($(stat -Lc %s "$log") + 1))
    attend apt-get "${options[@]}" "$@"
    code=$?
    said=$(tail -c "+$from" "$log")
    [ "$code" != 0 ] && grep -q 'Could not get lock' <<<"$said" || return "$code"
    echo 'waiting for another installation of packages to end'
    attend sleep "$lock_pause_seconds"
  done
  return "$code"
}

no_room() {
  grep -qE 'No space left on device|enough free space' <<<"$1" && return
  local folder
  for folder in /var/cache/apt /var/lib/dpkg /usr; do
    ((${MIN_FREE_KB:-10240} <= $(df -Pk "$folder" | awk 'END { print $4 }'))) || return 0
  done
  return 1
}

# explain WHAT TEXT: ends with what apt's words mean to a person.
explain() {
  local what=$1 text=$2 line
  no_room "$text" && end "$what: the disk is full" 'make room (df -h shows where), then try again'
  line=$(grep -m 1 -E '^dpkg: error' <<<"$text" || grep -m 1 -E '^E: ' <<<"$text" || grep -m 1 -E '^(Err|W):' <<<"$text" || tail -n 1 <<<"$text")
  case $text in
    *'Could not get lock'*) end "$what: another program has been installing packages all the while" 'wait for it to end, then try again' ;;
    *'not valid yet'*) end "$what: $line" 'set the clock of this machine, then try again' ;;
    *'Failed to fetch'*) end "$what: $(grep -m 1 -o 'Failed to fetch.*' <<<"$text")" "$mirror_remedy" ;;
    *'Unable to locate package'* | *'no installation candidate'*)
      end "$what: $line" "check that apt's sources (/etc/apt) name the main part of Debian 12 or 13" ;;
    *'remove is disabled'*) end "$what: other packages of this machine would have to go" "'apt-get install --no-install-recommends $names' shows which" ;;
    *'nmet dependencies'*) end "$what: $line" "'apt-get --fix-broken install' must go through first" ;;
  esac
  end "$what: $line" "'apt-get install --no-install-recommends $names' shows more"
}

names=$*
mirror_remedy="check the network and the mirror that apt is told (/etc/apt); 'apt-get update' must go through"
# One after the other: the second would take away the first's switch.
exec 8</usr/sbin
flock -n 8 || { echo 'waiting for another set-up to end' && flock 8; }

# A source that fails may be one that we do not need: only when none answers is this the end.
apt update
end_if_stopped
updated=$said
if ! grep -qE '^(Hit|Get):' <<<"$updated"; then
  [ "$updated" != 'Reading package lists...' ] || end 'apt knows no Debian mirror' 'name one in /etc/apt/sources.list, then try again'
  explain 'the lists of packages cannot be had' "$updated"
fi

# What a stopped or killed installation left unfinished, ours or not, stands in the way of the next.
phase=install
set_policy || explain "$policy cannot be written" "$(tail -n 1 "$log")"
attend dpkg --configure -a
drop_policy
phase=fetch
end_if_stopped

apt install --download-only "$@" || { end_if_stopped; explain 'the packages cannot be fetched' "$updated"$'\n'"$said"; }
end_if_stopped

phase=install
set_policy || explain "$policy cannot be written" "$(tail -n 1 "$log")"
apt install "$@" || explain 'the packages cannot be installed' "$said"
end_if_stopped
