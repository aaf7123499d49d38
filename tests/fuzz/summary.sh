# summary.sh LIST - how many fuzz targets, by the stamps that LIST names, ended
# without a finding. Exits 1 when one did not.
fine=0 findings=0
for stamp in $(cat "$1"); do
	if [ "$(cat "$stamp" 2>/dev/null)" = fine ]; then
		fine=$((fine + 1))
	else
		findings=$((findings + 1))
		echo "$stamp: finding"
	fi
done
echo "$fine targets fine, $findings with findings"
[ "$findings" = 0 ]
