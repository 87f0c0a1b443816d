package engines

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// prepareLlamacpp asks what is loaded. Older builds have no /props without a flag, and then less is known.
func prepareLlamacpp(ctx context.Context, c caller, _ Start) (Facts, error) {
	var props struct {
		BuildInfo string `json:"build_info"`
		Settings  struct {
			Context int `json:"n_ctx"`
		} `json:"default_generation_settings"`
	}
	if c.call(ctx, http.MethodGet, "/props", nil, &props) != nil {
		return Facts{}, nil //nolint:nilerr // it serves, and that is what counts
	}
	if strings.HasPrefix(props.BuildInfo, "b0-") { // a build that was not told its number
		props.BuildInfo = ""
	}
	return Facts{Version: props.BuildInfo, ContextTokens: props.Settings.Context}, nil
}

// resetLlamacpp erases what each slot holds.
func resetLlamacpp(ctx context.Context, c caller, _ Start) error {
	var slots []struct {
		ID int `json:"id"`
	}
	if err := c.call(ctx, http.MethodGet, "/slots", nil, &slots); err != nil {
		return fmt.Errorf("asking for its slots: %w", err)
	}
	for _, slot := range slots {
		path := fmt.Sprintf("/slots/%d?action=erase", slot.ID)
		if err := c.call(ctx, http.MethodPost, path, struct{}{}, nil); err != nil {
			return fmt.Errorf("erasing slot %d: %w", slot.ID, err)
		}
	}
	return nil
}

// prepareVLLM also reads the longest context, which /v1/models tells of each model.
func prepareVLLM(ctx context.Context, c caller, _ Start) (Facts, error) {
	var version struct {
		Version string `json:"version"`
	}
	_ = c.call(ctx, http.MethodGet, "/version", nil, &version) // a server that does not tell can serve
	var models struct {
		Data []struct {
			Longest int `json:"max_model_len"`
		} `json:"data"`
	}
	f := Facts{Version: version.Version}
	if c.call(ctx, http.MethodGet, "/v1/models", nil, &models) == nil && len(models.Data) == 1 {
		f.ContextTokens = models.Data[0].Longest
	}
	return f, nil
}

func resetVLLM(ctx context.Context, c caller, _ Start) error {
	return c.call(ctx, http.MethodPost, "/reset_prefix_cache", nil, nil)
}

// prepareTGI reads /info, which has the revision of the model's repository: the nearest to a digest that it tells.
func prepareTGI(ctx context.Context, c caller, _ Start) (Facts, error) {
	var info struct {
		Version string `json:"version"`
		SHA     string `json:"model_sha"`
		Type    string `json:"model_dtype"`
		Longest int    `json:"max_total_tokens"`
	}
	if c.call(ctx, http.MethodGet, "/info", nil, &info) != nil {
		return Facts{}, nil //nolint:nilerr // it serves
	}
	f := Facts{Version: info.Version, Quantization: info.Type, ContextTokens: info.Longest}
	if info.SHA != "" {
		f.ModelDigest = "revision:" + info.SHA
	}
	return f, nil
}

func prepareSGLang(ctx context.Context, c caller, _ Start) (Facts, error) {
	var info struct {
		Version string `json:"version"`
	}
	_ = c.call(ctx, http.MethodGet, "/get_server_info", nil, &info) // it serves, and newer ones call it otherwise
	return Facts{Version: info.Version}, nil
}

func resetSGLang(ctx context.Context, c caller, _ Start) error {
	return c.send(ctx, http.MethodPost, "/flush_cache", nil, "", nil)
}

// prepareWasmEdge reads LlamaEdge's /v1/info.
func prepareWasmEdge(ctx context.Context, c caller, _ Start) (Facts, error) {
	var info struct {
		Server struct {
			Version string `json:"version"`
		} `json:"api_server"`
	}
	_ = c.call(ctx, http.MethodGet, "/v1/info", nil, &info) // it serves
	return Facts{Version: info.Server.Version}, nil
}
