# cli.sh [FILE...] - the program as a user meets it. Output is TAP.
#
# Each line of tests/cli/*.txt: COMMAND | EXIT STATUS | TEXT
# COMMAND is sh, with T for the program and D for an empty directory; TEXT must
# occur in what it prints on stdout and stderr together, "" asks nothing, and
# after a ! it must not occur. # begins a comment. Fields end with " | ".
B=${BUILD:-build/opt}
T=$(realpath "$B/tlbemu") || exit 1
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
export T D
[ $# -gt 0 ] || set -- tests/cli/*.txt
n=0 bad=0

for file in "$@"; do
	while IFS= read -r line; do
		case $line in '' | '#'*) continue ;; esac
		text=${line##* | }
		rest=${line% | *}
		want=${rest##* | }
		cmd=${rest% | *}
		n=$((n + 1))
		out=$(sh -c "$cmd" 2>&1 < /dev/null)
		got=$?
		why=
		[ "$got" = "$want" ] || why="exit status $got, expected $want"
		case $text in
		'') ;;
		'!'*)
			case $out in *"${text#!}"*) why="$why; found" ;; esac ;;
		*)
			case $out in *"$text"*) ;; *) why="$why; not found: $text" ;; esac ;;
		esac
		if [ -z "$why" ]; then
			printf "ok %s - %s\n" "$n" "$cmd"
		else
			bad=$((bad + 1))
			printf "not ok %s - %s\n" "$n" "$cmd"
			echo "#   $file: $why"
			printf '%s\n' "$out" | head -n 20 | sed 's/^/#   /'
		fi
	done < "$file"
done
echo "1..$n"
[ "$bad" = 0 ]
