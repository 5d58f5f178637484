#!/bin/sh
# Runs RabbitMQ in the Debian tree ROOT with the folder DIR as its home: in-tree.sh ROOT DIR NAME=VALUE...
# It must be the first process of mount and pid namespaces of its own: then nothing of it stays mounted or running,
# however it ends, and nobody removes the machine's /dev through a mount that was left.
set -eu
root=$1
dir=$2
shift 2
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$dir" "$root/mnt"
chroot "$root" chown -R rabbitmq:rabbitmq /mnt
exec chroot --userspec=rabbitmq:rabbitmq "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@" \
    /usr/lib/rabbitmq/bin/rabbitmq-server
