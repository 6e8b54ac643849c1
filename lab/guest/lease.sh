#!/bin/sh
# What udhcpc of the tiny guest runs: takes the address and all that came with it. Leases are for ever, so nothing is ever taken back.
export PATH=/bin
[ "$1" = bound ] || exit 0
ip link set dev eth0 mtu "$mtu"
ip addr add "$ip/$mask" dev eth0
[ -z "$router" ] || ip route add default via "$router"
printf 'search %s\nnameserver %s\n' "$domain" "$dns" > /etc/resolv.conf
[ -z "$hostname" ] || echo "$hostname" > /proc/sys/kernel/hostname
