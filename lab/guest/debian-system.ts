// What makes a plain Debian the lab's guest: packages, files, and the units that are not started. It must hold tables only, no behaviour.

/** Installed with what they depend on, nothing recommended. lighttpd: of Debian's HTTP servers with a maintained engine, the fewest libraries. */
export const DEBIAN_PACKAGES = [
  'systemd-sysv',
  'udev',
  'kmod',
  'iproute2',
  'iputils-ping',
  'ethtool',
  'openssh-server',
  'lighttpd',
  'perl-base',
  'busybox-static',
] as const;

/** Units that cost time at boot or wake up later, and do nothing for a guest that lives for minutes. */
export const UNNEEDED_UNITS = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'systemd-tmpfiles-clean.timer',
  'systemd-update-utmp.service',
  'systemd-update-utmp-runlevel.service',
  'systemd-pstore.service',
  'systemd-random-seed.service',
  'systemd-networkd.service',
  'systemd-networkd.socket',
  'systemd-logind.service',
  'systemd-journal-flush.service',
  'getty.target',
  'getty@tty1.service',
  'serial-getty@ttyS0.service',
  'systemd-modules-load.service',
  'modprobe@configfs.service',
  'modprobe@dm_mod.service',
  'modprobe@drm.service',
  'modprobe@efi_pstore.service',
  'modprobe@fuse.service',
  'modprobe@loop.service',
  'dev-hugepages.mount',
  'dev-mqueue.mount',
  'sys-fs-fuse-connections.mount',
  'sys-kernel-config.mount',
  'sys-kernel-debug.mount',
  'sys-kernel-tracing.mount',
] as const;

const SETTINGS_UNIT = `[Unit]
Description=Address, name and key from the kernel command line
DefaultDependencies=no
After=systemd-sysctl.service
Before=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /usr/lib/supercloud/boot-settings.sh
`;

const LOAD_UNIT = `[Unit]
Description=Load that checks itself
After=supercloud-settings.service ssh.service lighttpd.service

[Service]
ExecStart=/usr/bin/perl /usr/lib/supercloud/load.pl /var/lib/supercloud/records 0 /run/supercloud/status.json
RuntimeDirectory=supercloud
`;

// Debian's own file asks a perl script for all media types at each start, which takes a second or more under emulation.
const LIGHTTPD_CONFIGURATION = `server.document-root = "/var/www/html"
server.username = "www-data"
server.groupname = "www-data"
server.pid-file = "/run/lighttpd.pid"
server.port = 80
index-file.names = ( "index.html" )
mimetype.assign = ( ".html" => "text/html", ".json" => "application/json", "" => "application/octet-stream" )
`;

/** Path below the root folder, and content. */
export const DEBIAN_FILES: Readonly<Record<string, string>> = {
  'etc/hostname': 'guest\n',
  'etc/hosts': '127.0.0.1 localhost guest\n',
  'etc/fstab': '',
  'etc/lighttpd/lighttpd.conf': LIGHTTPD_CONFIGURATION,
  'etc/systemd/system/supercloud-settings.service': SETTINGS_UNIT,
  'etc/systemd/system/supercloud-load.service': LOAD_UNIT,
  // the only disk writes of an idle guest are to be the load's
  'etc/systemd/journald.conf.d/supercloud.conf': '[Journal]\nStorage=volatile\nRuntimeMaxUse=8M\n',
  // devices of the emulated board that udev would load drivers for, and wait on, to no use
  'etc/modprobe.d/supercloud.conf': 'blacklist ahci\nblacklist lpc_ich\nblacklist i2c_i801\nblacklist iTCO_wdt\n',
  'var/www/html/index.html':
    '<!doctype html><title>guest</title><p>A guest of the lab. <a href="/status.json">Status</a>\n',
};

/** Path below the root folder, and what the link there points to. */
export const DEBIAN_LINKS: Readonly<Record<string, string>> = {
  'etc/systemd/system/sysinit.target.wants/supercloud-settings.service':
    '/etc/systemd/system/supercloud-settings.service',
  'etc/systemd/system/multi-user.target.wants/supercloud-load.service': '/etc/systemd/system/supercloud-load.service',
  'etc/systemd/system/default.target': '/lib/systemd/system/multi-user.target',
  'var/www/html/status.json': '/run/supercloud/status.json',
};
