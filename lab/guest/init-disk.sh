#!/bin/sh
# The initramfs of the Debian guest: modules for its disk, then its own systemd. It must do nothing that the real system does itself.
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
for module in $(cat /modules/order); do insmod "/modules/$module" || echo "insmod $module failed"; done
mount -t ext4 /dev/vda /root || { echo 'the root disk cannot be mounted'; exec sh; }
mount --move /dev /root/dev
umount /proc
exec switch_root /root /sbin/init
