#!/bin/sh
# The first process of the tiny guest, which lives in its initramfs: modules, address (its node's agent gives it, where the command
# line says dhcp), then the load on the raw disk.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo 3 > /proc/sys/kernel/printk
for module in $(cat /modules/order); do insmod "/modules/$module" || echo "insmod $module failed"; done
. /boot-settings.sh
if [ "$address" = dhcp ]; then
  udhcpc -i eth0 -f -q -n -t 60 -T 1 -O mtu -s /lease.sh > /dev/console 2>&1 || echo 'nobody leases an address'
fi
perl /load.pl /dev/vda 80 -
echo 'the load has ended'
poweroff -f
