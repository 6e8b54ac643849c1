#!/bin/sh
# The first process of the tiny guest, which lives in its initramfs: modules, address, then the load on the raw disk.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo 3 > /proc/sys/kernel/printk
for module in $(cat /modules/order); do insmod "/modules/$module" || echo "insmod $module failed"; done
. /boot-settings.sh
perl /load.pl /dev/vda 80 -
echo 'the load has ended'
poweroff -f
