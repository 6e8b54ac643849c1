#!/bin/sh
# The first process of the guest that runs dbench: a file system on its disk, the load in it, and once a second what the load has done so far.
# It must read nothing from its disk but what the load reads: programs and load file lie in memory.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo 3 > /proc/sys/kernel/printk
for module in $(cat /modules/order); do insmod "/modules/$module" || echo "insmod $module failed"; done
. /boot-settings.sh
# The tiny guest's load, which this guest does not run, would take memory from the page cache.
rm -rf /usr /bin/perl /load.pl /modules
clients=1
for word in $(cat /proc/cmdline); do
  case $word in dbench.clients=*) clients=${word#*=} ;; esac
done
mount -t ext4 /dev/vda /disk || { echo 'DBENCH-FAILED the disk cannot be mounted'; poweroff -f; }

# All bytes that the clients have read and written (their load file included, a hundredth), and the disk's requests as the
# block layer counts them (Linux, Documentation/block/stat.rst): reads, sectors read, writes, sectors written.
tell() {
  bytes=0
  read -r children < "/proc/$load/task/$load/children"
  for child in $children; do
    { read -r _ in; read -r _ out; } < "/proc/$child/io" && bytes=$((bytes + in + out))
  done
  read -r reads _ in _ writes _ out _ < /sys/block/vda/stat
  echo "DBENCH-DONE $bytes $reads $in $writes $out"
}

echo SUPERCLOUD-GUEST-READY
# Until somebody connects: everything around it is ready then.
nc -l -p 9 < /dev/null > /dev/null
dbench -c /client.txt -D /disk -t 100000 "$clients" &
load=$!
# After the load was started, which would inherit it: figures are to come on time, also when all clients want the processor.
renice -n -20 -p $$
while [ -e "/proc/$load/exe" ]; do
  tell 2> /dev/null
  sleep 1
done
echo 'DBENCH-FAILED the load has ended'
poweroff -f
