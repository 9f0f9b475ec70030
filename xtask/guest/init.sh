#!/bin/busybox sh
# PID 1 of a test guest: brings the system up, lets it settle, says so on the console, then waits for a job.
#
# The host saves the machine right after "kerno-guest: ready" and starts every job from that state. A job is a shell script on
# /dev/vdb, what it needs is a tar archive on /dev/vda; both are all zeros while the state is saved, and read anew until they are
# not. Whatever the job prints goes to the host through the virtio port named "results", ended by a line with its exit status.
export PATH=/job:/usr/sbin:/usr/bin:/sbin:/bin
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /mnt /etc /root /job /var/tmp /usr/sbin /usr/bin /sbin
for applet in $(/bin/busybox --list); do
    [ -e "/bin/$applet" ] || [ -e "/sbin/$applet" ] || [ -e "/usr/bin/$applet" ] || [ -e "/usr/sbin/$applet" ] ||
        /bin/busybox ln -s /bin/busybox "/bin/$applet"
done
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
mount -t configfs configfs /sys/kernel/config 2>/dev/null
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control
done
ln -s /proc/self/fd /dev/fd
ln -s /proc/mounts /etc/mtab
echo 'root:x:0:0:root:/root:/bin/sh' > /etc/passwd
echo 'root:x:0:' > /etc/group
echo '127.0.0.1 localhost kerno-guest' > /etc/hosts
hostname kerno-guest
/bin/busybox ip link set lo up

for module in virtio_pci virtio_blk virtio_console ext4 configfs; do
    modprobe "$module" 2>/dev/null
done
mount -t configfs configfs /sys/kernel/config 2>/dev/null

tries=0
while [ ! -b /dev/vdb ] && [ $tries -lt 50 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
[ -b /dev/vdb ] || echo 'kerno-guest: failed: no job disk' > /dev/console
port=
for name in /sys/class/virtio-ports/*/name; do
    [ "$(cat "$name" 2>/dev/null)" = results ] && port=/dev/$(basename "$(dirname "$name")")
done
[ -n "$port" ] || echo 'kerno-guest: failed: no results port' > /dev/console

# The clock is counted instructions: time asleep costs the host nothing.
sleep 20
echo "kerno-guest: ready $(uname -r) clocksource $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)" > /dev/console

# A job begins with '#!'; the disk of zeros does not.
while :; do
    blockdev --flushbufs /dev/vdb
    [ "$(dd if=/dev/vdb bs=2 count=1 2>/dev/null | tr -d '\0')" = '#!' ] && break
    sleep 1
done
blockdev --flushbufs /dev/vda
tr -d '\0' < /dev/vdb > /tmp/job.sh
# Only what was written: the rest of the disk is zeros, half a gigabyte of them.
blocks=$(sed -n 's/^# payload: //p' /tmp/job.sh | head -n 1)
dd if=/dev/vda bs=64k count="$blocks" 2> /dev/null | tar -xf - -C / || echo 'kerno-guest: failed: no payload' > /dev/console
limit=$(sed -n 's/^# limit: //p' /tmp/job.sh | head -n 1)
sync
echo 3 > /proc/sys/vm/drop_caches
sleep 1
echo 'kerno-guest: job begins' > /dev/kmsg
{
    # The limit is guest time; what hangs asleep reaches it at once.
    timeout -s KILL "${limit:-600}" sh /tmp/job.sh 2>&1
    echo "kerno-guest: exit $?"
} > "$port"
echo 'kerno-guest: job ended' > /dev/kmsg
sleep 0.5
poweroff -f
