package glassine

import (
	"path/filepath"

	"glassine/confine"
	"glassine/transform/pixel"
)

// openPictures makes the engine that makes pictures anew. It starts no process before the first that needs one.
func (s *System) openPictures() (err error) {
	if s.pixels, err = pixel.New(pixel.Config{
		Library: s.cfg.Libvips, Dir: filepath.Join(s.cfg.Data, "pictures"), Workers: s.cfg.PictureWorkers,
		Isolation: confine.Level(s.cfg.Isolation), Observe: s.picture, Log: s.cfg.Log,
	}); err != nil {
		return err
	}
	s.onClose(s.pixels.Close)
	return nil
}

// picture counts what the engine tells.
func (s *System) picture(e pixel.Event) {
	switch e.Outcome {
	case pixel.WorkerStarted:
		s.metrics.PictureWorker()
	case pixel.WorkerRecycled, pixel.WorkerRetired:
	default:
		s.metrics.Picture(string(e.Outcome), e.Took)
	}
}
