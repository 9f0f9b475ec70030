# Runs one scenario; comes after the lines that write its parts and set `window` and `settle`.
export DM_DISABLE_UDEV=1

failed() {
    echo "kerno-lab: $1"
    [ -z "$2" ] || cat "$2"
    exit 1
}

# What the host reads: each part between its mark and the end's.
part() {
    echo "kerno-lab: $1"
    cat "$2"
    printf '\nkerno-lab: end\n'
}

sh -eux /tmp/setup.sh > /tmp/setup.log 2>&1 || failed 'the setup failed' /tmp/setup.log
# A scenario without a load has one that does nothing.
echo 'sleep 100000' >> /tmp/load.sh
sh -eu /tmp/load.sh > /tmp/load.log 2>&1 &
load=$!
sleep "$settle"
sh -eux /tmp/fault.sh > /tmp/fault.log 2>&1 || failed 'the fault failed' /tmp/fault.log

# What other tools see of the same time, and some seconds around it. They are ended after it: taking their programs off takes long.
tools=
if [ -n "$naive" ]; then
    syscount -L -m -T 400 -d 1000 > /tmp/syscount 2>&1 &
    tools="$tools $!"
    syscount -x -T 400 -d 1000 > /tmp/failures 2>&1 &
    tools="$tools $!"
    biolatency -D -m 1000 1 > /tmp/biolatency 2>&1 &
    tools="$tools $!"
    sleep 3
    # The last one, so that it does not see the others start.
    runqlat 1000 1 > /tmp/runqlat 2>&1 &
    tools="$tools $!"
    sleep 1
    loads reading > /tmp/before
fi

kerno doctor -d "${window}s" -o json ${record:+--record /tmp/recording.json} > /tmp/report.json 2> /tmp/doctor.log || failed "kerno doctor failed with status $?" /tmp/doctor.log
kill -0 $load 2> /dev/null || failed 'the load ended before the window did' /tmp/load.log
# The proof reads $report and says `void 'why'`.
export window report=/tmp/report.json
{
    echo 'void() { echo "$1"; exit 1; }'
    cat /tmp/proof.sh
} > /tmp/proved.sh
sh -eu /tmp/proved.sh > /tmp/proof.log 2>&1 || echo "kerno-lab: void: $(tail -n 1 /tmp/proof.log)"

if [ -n "$naive" ]; then
    kill -INT $tools 2> /dev/null || true
    loads reading > /tmp/after
    modprobe tcp_diag 2> /dev/null
    ss -tinH > /tmp/ss 2>&1
    for tool in $tools; do
        wait "$tool" || true
    done
    for name in before after syscount failures runqlat biolatency ss; do
        part "$name" "/tmp/$name"
    done
fi
[ -z "$record" ] || part recording /tmp/recording.json
part report /tmp/report.json
cat /tmp/doctor.log
cat /tmp/load.log
