# style.gp - what all figures share; loaded by the others with `data` set, the CSV
# file, `figure`, the file to write, and `height` if it is not 480. Defines the
# terminal from the figure's suffix, the palette and human().

if (!exists("height")) { height = 480 }
if (real(system(sprintf("head -n 2 '%s' | wc -l", data))) < 2) {
	printerr sprintf("%s: no rows", data)
	exit status 2
}
suffix = figure[strlen(figure)-3:*]
if (suffix eq ".svg") {
	# Ids must differ where several figures share an HTML page.
	name = system(sprintf("basename '%s' .svg | tr -c 'A-Za-z0-9\\n' _", figure))
	set terminal svg size 800,height dynamic background "white" \
		font "sans-serif,15" name name
	big = ",18"; small = ",12"; tiny = ",10"     # pixels here, points below
} else {
	if (suffix ne ".png") {
		printerr sprintf("'%s': a figure ends in .svg or .png", figure)
		exit status 2
	}
	if (strstrt(GPVAL_TERMINALS, " pngcairo ")) {
		set terminal pngcairo size 800,height background "white" \
			font "sans-serif,11"
	} else {
		set terminal png size 800,height font "sans,11"
	}
	big = ",13"; small = ",9"; tiny = ",7.5"
}
set output figure
set datafile separator comma
set datafile columnheaders
set encoding utf8

# Okabe and Ito, "Color Universal Design" (2008): told apart with any colour
# vision.
orange = "#e69f00"; sky = "#56b4e9"; green = "#009e73"; yellow = "#f0e442"
blue = "#0072b2"; red = "#d55e00"; purple = "#cc79a7"; black = "#000000"
pale = "#dcdcdc"; grey = "#999999"; ink = "#333333"

set border 3 linecolor rgb ink
set tics nomirror out textcolor rgb ink
set grid ytics linecolor rgb "#e4e4e4" linewidth 1 linetype 1
set key textcolor rgb ink
set title font big textcolor rgb ink

# Strategies look the same in every figure: where two of them cost the same, the
# thin line lies on the broad one.
set style line 1 linecolor rgb sky linewidth 8        # deferred
set style line 2 linecolor rgb blue linewidth 2       # range
set style line 3 linecolor rgb red linewidth 2        # page
set style line 4 linecolor rgb green linewidth 2      # full
array strategy[4] = ["deferred", "range", "page", "full"]

# A time in ns as "13 us".
human(ns) = ns < 1e3 ? sprintf("%.3g ns", ns) : \
	ns < 1e6 ? sprintf("%.3g µs", ns / 1e3) : sprintf("%.3g ms", ns / 1e6)

# What was modelled, in a title.
modelled(profile, machine) = profile eq machine ? "machine ".machine : \
	sprintf("machine '%s', profile %s", machine, profile)
