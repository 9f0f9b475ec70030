# Runs one scenario; comes after the lines that write its parts and set `window` and `settle`.
export DM_DISABLE_UDEV=1

failed() {
    echo "kerno-lab: $1"
    [ -z "$2" ] || cat "$2"
    exit 1
}

sh -eux /tmp/setup.sh > /tmp/setup.log 2>&1 || failed 'the setup failed' /tmp/setup.log
# A scenario without a load has one that does nothing.
echo 'sleep 100000' >> /tmp/load.sh
sh -eu /tmp/load.sh > /tmp/load.log 2>&1 &
load=$!
sleep "$settle"
sh -eux /tmp/fault.sh > /tmp/fault.log 2>&1 || failed 'the fault failed' /tmp/fault.log
kerno doctor -d "${window}s" -o json > /tmp/report.json 2> /tmp/doctor.log || failed "kerno doctor failed with status $?" /tmp/doctor.log
kill -0 $load 2> /dev/null || failed 'the load ended before the window did' /tmp/load.log
echo 'kerno-lab: report'
cat /tmp/report.json
echo
echo 'kerno-lab: end of report'
cat /tmp/doctor.log
