# Gives a guest what its kernel command line says: address, gateway, MTU, host name, ssh key. Sourced by both images' start-up with
# BusyBox or with iproute2; it must not need anything else, nor ask anything over the network.
#
#   supercloud.ip=10.88.0.10/24 supercloud.gw=10.88.0.1 supercloud.dns=10.88.0.1 supercloud.mtu=1330
#   supercloud.name=web supercloud.key=ssh-ed25519:AAAA...
#
# With `supercloud.ip=dhcp` the caller asks for the address afterwards.

address= gateway= server= mtu=1330 name=guest key=
for word in $(cat /proc/cmdline); do
  case $word in
    supercloud.ip=*) address=${word#*=} ;;
    supercloud.gw=*) gateway=${word#*=} ;;
    supercloud.dns=*) server=${word#*=} ;;
    supercloud.mtu=*) mtu=${word#*=} ;;
    supercloud.name=*) name=${word#*=} ;;
    supercloud.key=*) key=${word#*=} ;;
  esac
done

echo "$name" > /proc/sys/kernel/hostname
ip link set dev lo up
ip link set dev eth0 mtu "$mtu" up
case $address in
  '' | dhcp) ;;
  *) ip addr add "$address" dev eth0 ;;
esac
[ -z "$gateway" ] || ip route add default via "$gateway"
[ -z "$server" ] || echo "nameserver $server" > /etc/resolv.conf

# A colon stands for the blank between the type and the key, since a kernel argument has none.
if [ -n "$key" ]; then
  mkdir -p -m 700 /root/.ssh
  echo "${key%%:*} ${key#*:}" > /root/.ssh/authorized_keys
  chmod 600 /root/.ssh/authorized_keys
fi
