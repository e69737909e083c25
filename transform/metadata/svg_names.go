package metadata

import "strings"

func set(names string) map[string]bool {
	m := make(map[string]bool)
	for _, n := range strings.Fields(names) {
		m[n] = true
	}
	return m
}

// svgElements is the whitelist: the elements of SVG 1.1 and SVG 2 that are drawn or say how (SVG 2 appendix F), without
// script, foreignObject, metadata, title and desc, HTML's elements, and links' targets.
var svgElements = set(`svg g defs symbol use switch view a
	path rect circle ellipse line polyline polygon text tspan textPath tref altGlyph altGlyphDef altGlyphItem glyphRef image style
	linearGradient radialGradient stop pattern clipPath mask marker hatch hatchpath mesh meshgradient meshpatch meshrow solidcolor
	filter feBlend feColorMatrix feComponentTransfer feComposite feConvolveMatrix feDiffuseLighting feDisplacementMap feDistantLight
	feDropShadow feFlood feFuncA feFuncB feFuncG feFuncR feGaussianBlur feImage feMerge feMergeNode feMorphology feOffset fePointLight
	feSpecularLighting feSpotLight feTile feTurbulence
	animate animateColor animateMotion animateTransform mpath set
	font font-face font-face-src font-face-name font-face-format glyph missing-glyph hkern vkern color-profile`)

// svgAttributes is the whitelist of attributes without a namespace: SVG 2 appendix G and SVG 1.1 appendix M, without event
// handlers, data-*, aria-* and role.
var svgAttributes = set(`accent-height accumulate additive alphabetic alignment-baseline amplitude arabic-form ascent attributeName
	attributeType azimuth baseFrequency baseline-shift baseProfile bbox begin bias by calcMode cap-height class clip clip-path clip-rule
	clipPathUnits color color-interpolation color-interpolation-filters color-profile color-rendering contentScriptType contentStyleType
	cursor cx cy d descent diffuseConstant direction display divisor dominant-baseline dur dx dy edgeMode elevation
	enable-background end exponent externalResourcesRequired fill fill-opacity fill-rule filter filterRes filterUnits flood-color
	flood-opacity font-family font-feature-settings font-kerning font-size font-size-adjust font-stretch font-style font-variant
	font-weight format fr from fx fy g1 g2 glyph-name glyph-orientation-horizontal glyph-orientation-vertical glyphRef gradientTransform
	gradientUnits hanging height horiz-adv-x horiz-origin-x horiz-origin-y href id ideographic image-rendering in in2 inline-size intercept
	isolation k k1 k2 k3 k4 kernelMatrix kernelUnitLength kerning keyPoints keySplines keyTimes lang lengthAdjust letter-spacing
	lighting-color limitingConeAngle line-height local marker marker-end marker-mid marker-start markerHeight markerUnits markerWidth mask
	mask-type maskContentUnits maskUnits mathematical max media min mix-blend-mode mode name numOctaves offset opacity operator order orient
	orientation origin overflow overline-position overline-thickness paint-order panose-1 path pathLength patternContentUnits
	patternTransform patternUnits pointer-events points pointsAtX pointsAtY pointsAtZ preserveAlpha preserveAspectRatio primitiveUnits r
	radius refX refY rendering-intent repeatCount repeatDur requiredExtensions requiredFeatures restart result rotate rx ry scale seed
	shape-inside shape-margin shape-padding shape-rendering shape-subtract side slope solid-color solid-opacity spacing specularConstant
	specularExponent spreadMethod startOffset stdDeviation stemh stemv stitchTiles stop-color stop-opacity strikethrough-position
	strikethrough-thickness string stroke stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit
	stroke-opacity stroke-width style surfaceScale systemLanguage tableValues targetX targetY text-align text-align-all text-align-last
	text-anchor text-decoration text-indent text-orientation text-overflow text-rendering textLength to transform transform-box
	transform-origin type u1 u2 underline-position underline-thickness unicode unicode-bidi unicode-range units-per-em v-alphabetic
	v-hanging v-ideographic v-mathematical values vector-effect version vert-adv-y vert-origin-x vert-origin-y viewBox visibility
	white-space width widths word-spacing writing-mode x x-height x1 x2 xChannelSelector y y1 y2 yChannelSelector z zoomAndPan`)
