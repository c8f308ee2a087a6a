"""Audio codecs that load native libraries: opus (libopus), G.722 (FFmpeg); and G.711 beside them, behind one seam."""
